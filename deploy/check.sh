#!/bin/sh
# Does without Docker what the Dockerfile says: installs the package into a new virtual environment, and runs the
# image's own commands as its user, without any capability, on a read-only file system with a tmpfs at /tmp.
# Run it as root on Linux. A Python that stands where only root may look (below /root, say) is shown to the image's
# user in the mount namespace that everything runs in:
#
#   deploy/check.sh [PYTHON]
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3}
place=$(mktemp -d /var/tmp/cinemae-check.XXXXXX)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null || true; rm -rf "$place"' EXIT

chmod 755 "$place"
user=$(sed -n 's/^USER \([0-9]*\):.*/\1/p' Dockerfile)

# As in the image: only what .dockerignore lets through is built from.
mkdir "$place/src"
cp -r pyproject.toml README.md LICENSE NOTICE src configs "$place/src"
"$python" - "$place" "$python" > "$place/build" <<'PYTHON'
import re, sys
lines = open("Dockerfile").read().replace("\\\n", " ").splitlines()
(build,) = [line.removeprefix("RUN ") for line in lines if line.startswith("RUN ")]
print("set -eu; " + re.sub(r"^python\b", sys.argv[2], build).replace("/opt/cinemae", sys.argv[1] + "/cinemae"))
PYTHON
(cd "$place/src" && sh "$place/build" > "$place/log" 2>&1) || { cat "$place/log"; exit 1; }
rm -rf "$place/src"
chmod -R a+rX "$place/cinemae"

# The image's user, environment and commands, and what compose.yaml adds: read_only, tmpfs, cap_drop, no-new-privileges.
cat > "$place/run" <<'RUN'
#!/bin/sh
set -eu
venv=$1 user=$2 python=$3
shift 3
as_user() { setpriv --reuid "$user" --regid "$user" --clear-groups "$@"; }
# The topmost folder on the way to it that the user may not enter is covered by an empty one that holds this Python only.
closed=
rest=${python#/}
while [ -n "$rest" ]; do
    closed=$closed/${rest%%/*}
    as_user test -x "$closed" || break
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
done
if [ -n "$rest" ] && [ "$closed" != "$python" ]; then
    mkdir "$venv/../python"
    mount --bind "$python" "$venv/../python"
    mount -t tmpfs -o size=1m,mode=755 tmpfs "$closed"
    mkdir -p "$python"
    mount --bind "$venv/../python" "$python"
    mount -o remount,ro "$closed"
fi
as_user "$venv/bin/python" -c '' || { echo "user $user can't run the Python in $python"; exit 3; }
mount -t tmpfs -o size=256m,mode=1777,nosuid,nodev,noexec tmpfs /tmp
mount -o remount,bind,ro /
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
    env -i -C /tmp PATH="$venv/bin:/usr/bin:/bin" PYTHONDONTWRITEBYTECODE=1 CINEMAE_CACHE=/tmp/cinemae \
    sh -c 'if touch "$0/x" 2>/dev/null; then echo "can write to $0"; exit 3; fi
           for mark in Uid CapEff NoNewPrivs; do grep "^$mark" /proc/self/status; done
           exec "$@"' "$venv" "$@"
RUN
said() {
    "$python" -c 'import json, re, sys
print("\n".join(json.loads(re.search(sys.argv[1] + r" (\[.*\])", open("Dockerfile").read()).group(1))))' "$1"
}
set -- $(said '\nENTRYPOINT') $(said '\nCMD')
base=$("$python" -c 'import sys; print(sys.base_prefix)')
unshare --mount sh "$place/run" "$place/cinemae" "$user" "$base" "$@" > "$place/log" 2>&1 &
server=$!
health=$(said ' CMD' | tail -1)
tries=0
until "$python" -c "$health" 2>/dev/null; do
    tries=$((tries + 1))
    if ! kill -0 "$server" 2>/dev/null || [ "$tries" -gt 120 ]; then cat "$place/log"; exit 1; fi
    sleep 1
done
sed -n 1,3p "$place/log"
echo "healthy after $tries s"
"$python" - samples/chelsea.jpg <<'PYTHON'
import json, sys, urllib.request
with open(sys.argv[1], "rb") as file:
    data = file.read()
where = "http://127.0.0.1:8000/v1/detect?name=chelsea.jpg&map=true"
asked = urllib.request.Request(where, data, {"Content-Type": "image/jpeg"})
(result,) = json.load(urllib.request.urlopen(asked, timeout=60))["results"]
print("verdict:", result["verdict"]["verdict"], result["verdict"]["probability"], "map:", result["map"]["rows"], "rows")
PYTHON
echo "written: $(ls -A "/proc/$server/root/tmp" | tr '\n' ' ')"
kill -TERM "$server"
status=0
wait "$server" || status=$?
server=
echo "exit status after SIGTERM: $status"
exit "$status"
