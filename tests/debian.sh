#!/bin/sh
# Install the Debian packages named in the file $1 where we are root; otherwise say what to install.
set -eu
wanted=$(grep -v '^#' "$1")
missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "==> Installing Debian packages for the tests:$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
else
    echo "==> Some tests will skip. To run them too: sudo apt-get install$missing"
fi
