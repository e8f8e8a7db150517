"""What runs in the data-access pod: POSIX shell, and what busybox and coreutils share.

The scripts are constants. Paths come as arguments or as lines of input, always absolute, so that
none is taken for an option or for code. Answers are lines of words.
"""

_COMMON = r"""
export LC_ALL=C
staging=$1 pod=$2

fail() { echo failed; printf 'error: %s\n' "$*" >&2; exit 1; }

# A load balancer cuts a connection that is silent while checksums are computed.
(
    trap 'kill "$!"; exit' TERM
    while :; do sleep 10 </dev/null >/dev/null 2>&1 & wait "$!"; echo alive; done
) &
beat=$!
trap 'kill "$beat" 2>/dev/null' EXIT

is_there() { [ -e "$1" ] || [ -L "$1" ]; }
size_of() { stat -L -c %s -- "$1" 2>/dev/null || echo 0; }
checksum() { set -- "$(sha256sum < "$1")"; echo "${1%% *}"; }
is_plain() { [ -f "$1" ] && ! [ -L "$1" ]; }
holds() { is_plain "$1" && [ "$(size_of "$1")" = "$size" ] && [ "$(checksum "$1")" = "$sum" ]; }

# A folder between the volume's own and a file that is a link, which could lead out of the volume.
goes_through_link() {
    link=${1%/*}
    while [ -n "$link" ] && [ "$link" != "${staging%/*}" ]; do
        [ ! -L "$link" ] || return 0
        link=${link%/*}
    done
    return 1
}

# A line of input is "SIZE SHA256 PATH".
take_apart() {
    size=${1%% *}; set -- "${1#* }"
    sum=${1%% *}; path=${1#* }
}

# Its writer has ended: another pod's, or a process that is gone.
is_abandoned() {
    set -- "${1##*/}"
    set -- "${1#*.}"
    [ "${1%.*}" != "$pod" ] || [ "${1##*.}" = "$$" ] || ! kill -0 "${1##*.}" 2>/dev/null
}
"""

#: Says what is there. Arguments: the staging folder, the pod's UID, how many lines of input come,
#: and a folder whose CSV files are named, or none. Answers ``free`` and what ``df`` says; for each
#: line ``absent``, ``same``, ``differs`` or ``blocked`` (no file), and how much of a broken
#: transfer is there; then the CSV files as ``csv NAME``; then ``end``.
LOOK = (
    _COMMON
    + r"""
root=${staging%/*} count=$3 folder=${4-}
[ -d "$root" ] || fail "$root: there is no such folder in the pod"
echo "free $(df -P -k -- "$root" 2>/dev/null | tail -n 1)"
while [ "$count" -gt 0 ]; do
    IFS= read -r line || exit 1
    count=$((count - 1))
    take_apart "$line"
    partial=0
    for part in "$staging/$sum".*; do
        if is_plain "$part" && is_abandoned "$part" && [ "$(size_of "$part")" -gt "$partial" ]; then
            partial=$(size_of "$part")
        fi
    done
    state=differs
    if ! is_there "$path"; then state=absent
    elif ! [ -f "$path" ] || [ -L "$path" ]; then state=blocked
    elif holds "$path"; then state=same
    fi
    ! goes_through_link "$path" || state=blocked
    echo "$state $partial"
done
if [ -n "$folder" ]; then
    for file in "$folder"/*.csv; do
        is_there "$file" || continue
        printf 'csv '
        printf %s "${file##*/}" | tr '\n' '?'
        echo
    done
fi
echo end
"""
)

#: Takes files. Arguments: the staging folder and the pod's UID. A line of input is ``new`` or
#: ``replace``, and then as of LOOK. Answers ``ready OFFSET``, takes the rest of the file, and
#: answers ``done``; or ``done`` at once where it is there; or ``taken``, ``damaged`` or ``failed``,
#: and ends. ``end`` ends it as well.
#:
#: What comes is written under ``SHA256.POD.PROCESS`` in the staging folder, which no two writers
#: share; one of a writer that has ended is taken over by renaming it, which one of several wins.
RECEIVE = (
    _COMMON
    + r"""
while IFS= read -r line; do
    [ "$line" != end ] || break
    mode=${line%% *}
    take_apart "${line#* }"
    # The last answer may have been lost.
    ! goes_through_link "$path" || fail "$link: is a link, which could lead out of the volume"
    [ ! -L "$staging" ] || fail "$staging: is a link, which could lead out of the volume"
    if holds "$path"; then echo "done"; continue; fi
    [ ! -L "$path" ] || fail "$path: is a link"
    [ ! -d "$path" ] || fail "$path: is a folder"
    if [ "$mode" = new ] && is_there "$path"; then echo taken; exit 1; fi
    mkdir -p -- "$staging" "${path%/*}" || fail "$path: its folder cannot be made"
    part=$staging/$sum.$pod.$$
    for old in "$staging/$sum".*; do
        [ "$old" != "$part" ] || break
        if is_plain "$old" && is_abandoned "$old"; then
            ! mv -- "$old" "$part" 2>/dev/null || break
        fi
    done
    is_plain "$part" || rm -f -- "$part"
    have=$(size_of "$part")
    if [ "$have" -gt "$size" ]; then rm -f -- "$part"; have=0; fi
    echo "ready $have"
    dd bs=262144 count="$((size - have))" iflag=fullblock,count_bytes conv=fsync status=none \
        >> "$part" || { rm -f -- "$part"; fail "$path: cannot be written"; }
    # A stream that broke; what came is where the next one goes on.
    [ "$(size_of "$part")" = "$size" ] || exit 1
    if [ "$(checksum "$part")" != "$sum" ]; then rm -f -- "$part"; echo damaged; exit 1; fi
    # A link fails where the name is taken meanwhile, a move does not; some volumes have no links.
    if [ "$mode" = new ] && ln -- "$part" "$path" 2>/dev/null; then
        rm -f -- "$part"
    elif [ "$mode" = new ] && is_there "$path"; then
        rm -f -- "$part"
        holds "$path" || { echo taken; exit 1; }
    else
        mv -f -- "$part" "$path" || fail "$path: cannot be put in its place"
    fi
    echo "done"
done
# What nobody came back for.
find "$staging" -type f -mtime +7 -exec rm -f -- {} \; 2>/dev/null
exit 0
"""
)
