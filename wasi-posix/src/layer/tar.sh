#!/bin/sh
# The published tar refuses absolute names; tar(1) stores them without the leading slash. This stands before it in
# PATH and gives it such names from the root directory; everything else it passes on as it is.
real=/usr/bin/tar
[ -e /opt/agentos/bin/tar ] && real=/opt/agentos/bin/tar
create= absolute= relative= takes= first=1
for word in "$@"; do
    if [ -n "$takes" ]; then
        takes=
    else
        case "$word" in
            --*) ;;
            -C) takes=1 ;;
            -*)
                case "$word" in *c*) create=1 ;; esac
                case "$word" in *f) takes=1 ;; esac
                ;;
            /*) absolute=1 ;;
            *)
                if [ -n "$first" ]; then
                    case "$word" in *c*) create=1 ;; esac
                    case "$word" in *f) takes=1 ;; esac
                else
                    relative=1
                fi
                ;;
        esac
    fi
    first=
done
if [ -z "$create" ] || [ -z "$absolute" ] || [ -n "$relative" ]; then
    exec "$real" "$@"
fi
left=$# takes= first=1 rooted=
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    if [ "$takes" = file ]; then
        case "$word" in
            /* | -) ;;
            *) word=$PWD/$word ;;
        esac
        takes=
    elif [ "$takes" = directory ]; then
        takes=
    else
        case "$word" in
            --*) ;;
            -C) takes=directory ;;
            -*f) takes=file ;;
            -*) ;;
            /*)
                [ -n "$rooted" ] || set -- "$@" -C /
                rooted=1
                word=${word#/}
                [ -n "$word" ] || word=.
                ;;
            *f) [ -z "$first" ] || takes=file ;;
        esac
    fi
    first=
    set -- "$@" "$word"
done
exec "$real" "$@"
