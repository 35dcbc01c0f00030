#!/bin/sh
# Starts the proxy that asks for the login. It takes no password as it is, only its hash.
set -eu
UI_PASSWORD_HASH=$(printf '%s\n' "$UI_PASSWORD" | caddy hash-password)
export UI_PASSWORD_HASH
unset UI_PASSWORD
exec caddy run --config /etc/caddy/Caddyfile
