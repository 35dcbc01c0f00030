"""Creates the bucket of a new S3 server, or leaves it as it is.

The server and the bucket come from `AWS_ENDPOINT_URL` and `S3_BUCKET`.
"""

import os

import boto3
from botocore.exceptions import ClientError

bucket = os.environ["S3_BUCKET"]
s3 = boto3.client("s3")
try:
    s3.head_bucket(Bucket=bucket)
except ClientError as error:
    if error.response["Error"]["Code"] != "404":
        raise
    s3.create_bucket(Bucket=bucket)
