#!/bin/sh
# Make .venv from requirements.lock: Python 3.11 with every package at its pinned version and hash.
# Called by `make`, before anything else can run, so it is plain shell. A second run is instant;
# a run that was interrupted is resumed by the next one. It needs no root and changes no system.
set -eu
cd "$(dirname "$0")/../.."

tools=${TIDEMILL_TOOLS:-${TIDEMILL_HOME:-$PWD/.tidemill}/tools}
needed_kib=$((10 * 1024 * 1024)) # torch with CUDA is 5.2 GB unpacked, and was fetched packed
stamp=.venv/tidemill.installed
pip_wheel_package=python3-pip-whl

stop() {
    echo "$1" >&2
    exit 1
}

is_python() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1
}

# A pyenv shim stands on PATH for versions that are not there, so each candidate is tried.
find_python() {
    for candidate in ${TIDEMILL_PYTHON:-} python3.11 python3 /usr/bin/python3.11 /usr/local/bin/python3.11; do
        if is_python "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    stop "Python 3.11 was not found; install it (on Debian 12: apt-get install python3) or set TIDEMILL_PYTHON to its path, then run this again."
}

free_kib() {
    df -Pk . | awk 'NR == 2 { print $4 }'
}

wanted_stamp() {
    cat requirements.lock pyproject.toml | sha256sum | cut -d ' ' -f 1
}

uv_works() {
    command -v "$1" >/dev/null 2>&1 && "$1" --version >/dev/null 2>&1
}

# Debian's Python may lack venv and pip and refuses pip outside an environment (PEP 668); a wheel
# of pip can be run as it is, and --target is outside everything that rule protects.
fetch_uv() {
    unfinished=$tools/uv.unfinished
    lock=infra/local/uv.txt
    log=$tools/uv.log
    rm -rf "$unfinished"
    set -- install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    if "$python" -m venv "$unfinished" >"$log" 2>&1 &&
        "$unfinished/bin/python" -m pip "$@" >>"$log" 2>&1; then
        :
    elif rm -rf "$unfinished" && "$python" -m pip "$@" --target "$unfinished" >>"$log" 2>&1; then
        :
    else
        rm -rf "$unfinished"
        pip=$(fetch_pip) || exit 1
        "$python" "$pip/pip" "$@" --target "$unfinished" >>"$log" 2>&1 ||
            stop "uv could not be fetched; check the network (and pip's proxy and index settings), then run this again. What happened: $log"
    fi
    rm -rf "$tools/uv" "$tools/pip.unfinished"
    mv "$unfinished" "$tools/uv"
}

fetch_pip() {
    command -v apt-get >/dev/null 2>&1 ||
        stop "$python has neither pip nor venv; install one of them, then run this again."
    folder=$tools/pip.unfinished
    mkdir -p "$folder/lists/partial" "$folder/cache"
    folder=$(cd "$folder" && pwd)
    sandbox=
    [ "$(id -u)" -ne 0 ] || sandbox="-o APT::Sandbox::User=root"
    # shellcheck disable=SC2086 # the option is two words or none
    (
        cd "$folder"
        apt-get download -qq $sandbox "$pip_wheel_package" ||
            {
                # The machine's package lists are missing or too old: fetch some of our own.
                own="-o Dir::State::Lists=$folder/lists -o Dir::Cache=$folder/cache $sandbox"
                apt-get update -qq -o APT::Update::Error-Mode=any $own &&
                    apt-get download -qq $own "$pip_wheel_package"
            }
    ) >>"$log" 2>&1 ||
        stop "$python has neither pip nor venv and Debian's $pip_wheel_package could not be fetched; check the network (and apt's proxy settings), then run this again. What happened: $log"
    dpkg-deb -x "$folder/$pip_wheel_package"_*.deb "$folder"
    for wheel in "$folder"/usr/share/python-wheels/pip-*.whl; do
        echo "$wheel"
    done
}

{ mkdir -p "$tools" 2>/dev/null && [ -w "$tools" ]; } ||
    stop "$tools cannot be written to; set TIDEMILL_HOME to a folder that you may write to."
if command -v flock >/dev/null 2>&1; then
    exec 9>"$tools/bootstrap.lock"
    flock 9 # another terminal does the same: wait for it
fi

if [ "$(cat "$stamp" 2>/dev/null)" = "$(wanted_stamp)" ] && is_python .venv/bin/python; then
    exit 0
fi

python=$(find_python)
if ! is_python .venv/bin/python && [ "$(free_kib)" -lt "$needed_kib" ]; then
    stop "$PWD has $(($(free_kib) / 1024 / 1024)) GiB free and 10 GiB are needed; free some, then run this again."
fi

if uv_works uv; then
    uv=uv
else
    uv=$tools/uv/bin/uv
    if ! uv_works "$uv"; then
        echo "fetching uv ..."
        fetch_uv
    fi
fi

if ! is_python .venv/bin/python; then
    rm -rf .venv
    "$uv" venv --quiet --python "$python" .venv
fi
rm -f "$stamp"
echo "installing the Python environment (about 3 GB are fetched the first time) ..."
# The lock names all that is wanted; a package that it leaves out on purpose must not come back.
if ! "$uv" pip install --python .venv/bin/python --no-deps --require-hashes -r requirements.lock; then
    [ "$(free_kib)" -gt $((512 * 1024)) ] ||
        stop "The disk is full; free 10 GiB, then run this again: it resumes."
    stop "The Python environment could not be installed; see the message above, check the network (and pip's and uv's proxy and index settings), then run this again: it resumes."
fi
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . ||
    stop "The project could not be installed into .venv; see the message above."
wanted_stamp >"$stamp.new"
mv "$stamp.new" "$stamp"
