# shellcheck shell=bash
# What ./run, ./test and the compilation of guests' kernels need of the machine. Sourced; the caller defines program, its
# name in messages.
: "${program:?}"

readonly minimum_java=17

# fail STATUS SENTENCE
fail() {
    printf '%s: %s\n' "$program" "$2" >&2
    exit "$1"
}

# Whether there is a compiler of Java 17 or later where Maven will look for it.
has_jdk() {
    local javac=javac version
    [[ -z ${JAVA_HOME:-} ]] || javac=$JAVA_HOME/bin/javac
    version=$("$javac" -version 2>&1) || return
    version=${version#javac }
    version=${version%%[!0-9]*}
    ((${version:-0} >= minimum_java))
}

# Makes sure that the project can be built: on Debian as root by installing what is missing, elsewhere by saying it.
need_build_tools() {
    local missing=()
    if ! has_jdk; then
        [[ -z ${JAVA_HOME:-} ]] || fail 69 "JAVA_HOME ($JAVA_HOME) is no JDK $minimum_java or later. Correct or unset it."
        missing+=(openjdk-17-jdk-headless)
    fi
    command -v mvn >/dev/null || missing+=(maven)
    ((${#missing[@]} > 0)) || return 0
    provide "JDK $minimum_java or later and Maven 3.8 or later are needed to build" "${missing[@]}"
    has_jdk || fail 69 "the default javac is still not $minimum_java or later: set JAVA_HOME to the JDK just installed"
}

# Makes sure that Linux can be compiled, in the same way.
need_kernel_tools() {
    local missing=() tool
    for tool in gcc make flex bison bc; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [[ -e /usr/include/libelf.h ]] || missing+=(libelf-dev)
    provide 'compiling a kernel needs more than is there' ${missing[@]+"${missing[@]}"}
}

# provide WHY [PACKAGE...]: installs packages of Debian, as root; fails elsewhere, and says which are missing.
provide() {
    local why=$1
    shift
    (($# > 0)) || return 0
    if [[ ! -e /etc/debian_version ]] || ! command -v apt-get >/dev/null; then
        fail 69 "$why; not found: $* (names of the Debian packages). Install them and try again."
    elif ((EUID != 0)); then
        fail 69 "missing packages. As root: apt-get install $*"
    fi
    printf '%s: installing %s\n' "$program" "$*" >&2
    {
        apt-get update -q &&
            DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
    } >&2 || fail 69 "installing $* failed; see above"
}
