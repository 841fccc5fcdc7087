# What the scripts share: dependencies, build, Debian packages, PostgreSQL's regression tests. Sourced by bash.
# Refuses to know: what is tested, shown or measured.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$top/.cache

say() { printf '\033[1m· %s\033[0m\n' "$*" >&2; }
complain() { printf '%s\n' "$*" >&2; }

# npm's own noise about the older Node that runs it is not worth reading; what fails is.
quietly() {
  local log
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then rm -f "$log"; return 0; fi
  local status=$?
  tail -n 60 "$log" >&2
  rm -f "$log"
  return "$status"
}

# The oldest Node whose npm installs everything: an older one leaves out optional packages that name a newer Node in
# `engines`, among them the native half of the test runner.
oldest_node=20.19

# A Node 24 and an npm of its own in .cache, for machines whose Node is too old to install with (Debian 12 has 18).
ensure_toolchain() {
  local version
  version=$(node --version 2>/dev/null | tr -d v)
  [ -n "$version" ] && [ "$(printf '%s\n%s\n' "$oldest_node" "$version" | sort -V | head -n 1)" = "$oldest_node" ] && return 0
  local bin=$cache/toolchain/node_modules/.bin
  if [ ! -x "$bin/node" ] || [ ! -x "$bin/npm" ]; then
    say "Node.js ${version:-?} is too old to install with: fetching one to .cache/toolchain"
    mkdir -p "$cache/toolchain"
    quietly npm install --prefix "$cache/toolchain" --no-save --no-audit --no-fund \
      "node@$(sed -n 's/^    "node": "\(.*\)",\{0,1\}$/\1/p' "$top/package.json" | tail -n 1)" npm@11 || return 1
  fi
  PATH="$bin:$PATH"
}

# ssh2's ciphers in C, built for the Node that runs us: npm builds them for its own. Without a compiler SSH runs on ciphers in
# JavaScript, several times slower, and says so.
build_native_ciphers() {
  local architecture version headers=$cache/headers
  command -v g++ >/dev/null && command -v make >/dev/null && command -v python3 >/dev/null || return 0
  architecture=$(node -p process.arch)
  version=$("$top/node_modules/node/bin/node" -p 'process.versions.node')
  say "ssh2's native ciphers"
  quietly npm install --prefix "$headers" --no-save --no-audit --no-fund "node-linux-$architecture@$version" &&
    (cd "$top" && PATH="$top/node_modules/.bin:$PATH" \
      quietly npm rebuild ssh2 cpu-features "--nodedir=$headers/node_modules/node-linux-$architecture") ||
    complain "ssh2's native ciphers were not built: SSH is slower"
}

# Installs from the lock file when node_modules is missing or older than it, and puts its Node 24 first on PATH.
ensure_dependencies() {
  local stamp=$top/node_modules/.package-lock.json
  if [ ! -x "$top/node_modules/node/bin/node" ] || [ ! -e "$stamp" ] || [ "$top/package-lock.json" -nt "$stamp" ]; then
    command -v npm >/dev/null || { complain "npm is missing: install Node.js with npm (any version from 18 on)"; return 1; }
    (ensure_toolchain && cd "$top" && say "npm ci" && quietly npm ci --no-audit --no-fund) || { complain "npm ci failed"; return 1; }
    touch "$stamp"
    build_native_ciphers
  fi
  if [ ! -x "$top/node_modules/node/bin/node" ]; then
    complain "node_modules has no Node 24: npm must be allowed to run the install script of \"node\" (allowScripts in package.json)"
    return 1
  fi
  export PATH="$top/node_modules/.bin:$PATH"
}

build() {
  say "build"
  (cd "$top" && tsc -p tsconfig.json)
}

# Commands as root: directly, by a sudo that asks nothing, or not at all.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
can_be_root() {
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# Debian packages that tests and benchmarks use, each with a file that shows it is there.
wanted_packages() {
  cat <<'LIST'
postgresql-15 /usr/lib/postgresql/15/bin/postgres
postgresql-client-15 /usr/lib/postgresql/15/bin/psql
postgresql-contrib /usr/share/postgresql/15/extension/pgcrypto.control
pgbouncer /usr/sbin/pgbouncer
gnome-keyring /usr/bin/gnome-keyring-daemon
dbus-bin /usr/bin/dbus-run-session
dbus-daemon /usr/bin/dbus-daemon
python3-psycopg /usr/lib/python3/dist-packages/psycopg/__init__.py
libpostgresql-jdbc-java /usr/share/java/postgresql.jar
default-jdk-headless /usr/bin/javac
gcc /usr/bin/gcc
libc6-dev /usr/include/stdio.h
bzip2 /usr/bin/bzip2
jq /usr/bin/jq
zstd /usr/bin/zstd
curl /usr/bin/curl
rsyslog /usr/sbin/rsyslogd
rsyslog-gnutls /var/lib/dpkg/info/rsyslog-gnutls.list
sqlite3 /usr/bin/sqlite3
python3-protobuf /usr/lib/python3/dist-packages/google/protobuf/json_format.py
protobuf-compiler /usr/bin/protoc
strace /usr/bin/strace
python3-cryptography /usr/lib/python3/dist-packages/cryptography/__init__.py
age /usr/bin/age
python3-botocore /usr/lib/python3/dist-packages/botocore/__init__.py
golang-go /usr/bin/go
ansible-core /usr/bin/ansible-playbook
golang-golang-x-mod-dev /usr/share/gocode/src/golang.org/x/mod/sumdb/tlog/tlog.go
openssh-server /usr/sbin/sshd
openssh-client /usr/bin/ssh
asciinema /usr/bin/asciinema
less /usr/bin/less
vim /usr/bin/vim
rsync /usr/bin/rsync
zsh /usr/bin/zsh
netcat-openbsd /bin/nc.openbsd
python3-paramiko /usr/lib/python3/dist-packages/paramiko/__init__.py
git /usr/bin/git
xvfb /usr/bin/Xvfb
xauth /usr/bin/xauth
x11-utils /usr/bin/xdpyinfo
LIST
}

missing_packages() {
  local name file
  wanted_packages | while read -r name file; do [ -e "$file" ] || echo "$name"; done
}

# Installs what is missing. Leaves running servers alone: no cluster is created, no daemon is started.
ensure_packages() {
  local missing=() present=() name
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null || ! can_be_root; then
    complain "cannot install (no apt-get, or neither root nor sudo without a password): ${missing[*]}"
    return 1
  fi
  say "apt-get install ${missing[*]}"
  quietly as_root apt-get -q update || complain "apt-get update failed; trying with the lists that are there"
  for name in "${missing[@]}"; do
    if apt-cache show "$name" >/dev/null 2>&1; then present+=("$name"); else complain "this system has no package $name"; fi
  done
  [ ${#present[@]} -gt 0 ] || return 1
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  local policy=/usr/sbin/policy-rc.d ours=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    ours=yes
  fi
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
    -o Dpkg::Options::=--force-confold "${present[@]}"
  local status=$?
  [ "$ours" = no ] || as_root rm -f "$policy"
  [ $status -eq 0 ] && [ -z "$(missing_packages)" ]
}

# OpenTelemetry's own protobuf definitions (test/data) as Python into .cache/otlp: what a receiver of logs has to understand.
ensure_otlp_definitions() {
  local home=$cache/otlp source=$top/test/data/opentelemetry-proto-1.11.0
  [ -e "$home/complete" ] && [ ! "$source" -nt "$home/complete" ] && return 0
  command -v protoc >/dev/null || return 1
  rm -rf "$home"
  mkdir -p "$home"
  (cd "$source" && find . -name '*.proto' -exec protoc -I . --python_out "$home" {} +) || return 1
  touch "$home/complete"
}

# debian_source HOME PACKAGE: empties HOME and downloads the source package into HOME/apt. Needs no root: a private list of
# sources. A mirror may lack the source of the newest version: then the one before is as good.
debian_source() {
  local home=$1 package=$2
  rm -rf "$home"
  mkdir -p "$home/apt/lists/partial" "$home/apt/archives/partial"
  apt-get indextargets --format 'deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    sort -u >"$home/apt/sources.list"
  (
    cd "$home/apt" || exit 1
    local private=(-o "Dir::Etc::sourcelist=$home/apt/sources.list" -o Dir::Etc::sourceparts=-
      -o "Dir::State::lists=$home/apt/lists" -o "Dir::Cache=$home/apt" -o APT::Sandbox::User=root)
    quietly apt-get -q "${private[@]}" update || exit 1
    local version
    for version in $(apt-cache "${private[@]}" showsrc "$package" | awk '/^Version:/ {print $2}' | sort -ruV); do
      apt-get -q "${private[@]}" source --download-only "$package=$version" >/dev/null 2>&1 && exit 0
    done
    complain "no mirror has the source package $package"
    exit 1
  )
}

# PostgreSQL's own regression tests: from the Debian source package into .cache/pg_regress/{regress,lib}.
# Needs no root: the server's headers are unpacked beside it instead of installed.
ensure_regression_tests() {
  local home=$cache/pg_regress
  [ -e "$home/complete" ] && return 0
  command -v apt-get >/dev/null && command -v gcc >/dev/null && [ -e /usr/lib/postgresql/15/bin/postgres ] || return 1
  say "PostgreSQL's regression tests (source package)"
  debian_source "$home" postgresql-15 || return 1
  mkdir -p "$home/lib"
  (
    cd "$home/apt" || exit 1
    quietly apt-get -q -o APT::Sandbox::User=root download postgresql-server-dev-15 &&
      dpkg-deb -x postgresql-server-dev-15_*.deb headers &&
      tar -xf postgresql-15_*.orig.tar.* --wildcards --strip-components=3 -C "$home" '*/src/test/regress'
  ) || return 1
  gcc -O1 -fPIC -shared -w -I "$home/apt/headers/usr/include/postgresql/15/server" -I /usr/include/postgresql \
    -o "$home/lib/regress.so" "$home/regress/regress.c" || return 1
  cp /usr/lib/postgresql/15/lib/{refint,autoinc}.so "$home/lib/" || return 1
  rm -rf "$home/apt"
  touch "$home/complete"
}

# OpenSSH's own regression scripts: from the Debian source package into .cache/openssh/regress. Needs no root.
ensure_openssh_tests() {
  local home=$cache/openssh
  [ -e "$home/regress/test-exec.sh" ] && return 0
  command -v apt-get >/dev/null || return 1
  say "OpenSSH's regression tests (source package)"
  debian_source "$home" openssh || return 1
  tar -xf "$home"/apt/openssh_*.orig.tar.gz --wildcards --strip-components=1 -C "$home" '*/regress' || return 1
  rm -rf "$home/apt"
}
