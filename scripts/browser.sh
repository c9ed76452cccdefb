#!/bin/sh
# Prints the path of a Chromium for the tests of the page, and installs one if there is none.
#
#   scripts/browser.sh [ENVIRONMENT]
#
# Looks at $CINEMAE_BROWSER, then on the PATH. On Debian, as root, it installs Debian's package; elsewhere it lets the
# Playwright of ENVIRONMENT (a virtual environment or its python) fetch one. Only the path goes to standard output.
set -eu

works() {
    [ -x "$1" ] && "$1" --version >/dev/null 2>&1 # Ubuntu's chromium-browser may be a stub that only asks for snap
}

on_path() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        path=$(command -v "$name") || continue
        if works "$path"; then
            echo "$path"
            return 0
        fi
    done
    return 1
}

from_debian() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && grep -qx 'ID=debian' /etc/os-release 2>/dev/null || return 1
    echo "browser.sh: installing Debian's chromium" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 && apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >&2
}

from_playwright() {
    python=$1
    [ -d "$python" ] && python=$python/bin/python
    [ -x "$python" ] || return 1
    echo "browser.sh: fetching Playwright's chromium" >&2
    "$python" -m playwright install chromium >&2 || return 1
    path=$("$python" -c 'if True:
        from playwright.sync_api import sync_playwright
        with sync_playwright() as playwright:
            print(playwright.chromium.executable_path)') || return 1
    works "$path" && echo "$path"
}

if [ -n "${CINEMAE_BROWSER:-}" ]; then
    if works "$CINEMAE_BROWSER"; then
        echo "$CINEMAE_BROWSER"
        exit 0
    fi
    echo "browser.sh: CINEMAE_BROWSER is $CINEMAE_BROWSER, which does not run" >&2
    exit 1
fi
if on_path; then exit 0; fi
if from_debian && on_path; then exit 0; fi
if [ $# -ge 1 ] && from_playwright "$1"; then exit 0; fi
echo "browser.sh: no Chromium found, and none could be installed; install one and set CINEMAE_BROWSER to its path" >&2
exit 1
