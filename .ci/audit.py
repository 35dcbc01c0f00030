"""Fails where a locked package has a known advisory that a later version mends; arguments go to `uv audit`.

Where the advisories cannot be asked for, it says so and passes. Standard library only.
"""

import json
import os
import subprocess
import sys


def main() -> int:
    """Ask for the advisories of uv.lock; the exit code."""
    command = ["uv", "audit", "--locked", "--output-format=json", "--preview-features=audit-command,json-output"]
    quick = {"UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "20"}
    done = subprocess.run(
        [*command, *sys.argv[1:]], env=os.environ | quick, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1) or not done.stdout:
        if "equest failed" not in done.stderr and "error sending request" not in done.stderr:
            print(done.stderr, file=sys.stderr)
            return 1
        print("notice: the advisories (osv.dev) cannot be asked for here, so the locked packages are not audited")
        return 0
    found = json.loads(done.stdout)
    print(f"{found['summary']['audited_packages']} packages, {len(found['vulnerabilities'])} known advisories")
    mended = [one for one in found["vulnerabilities"] if one["fix_versions"]]
    for one in mended:
        package, fixes = one["dependency"], ", ".join(one["fix_versions"])
        print(f"{package['name']} {package['version']}: {one['id']}, {one['summary']}; mended in {fixes}")
    return 1 if mended else 0


if __name__ == "__main__":
    sys.exit(main())
