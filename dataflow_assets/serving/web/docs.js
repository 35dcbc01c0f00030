"use strict";
// The description of the API, which Swagger UI draws from the OpenAPI document.

SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true });
