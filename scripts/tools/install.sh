#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs a build, or removes what that would have installed:
#
#   install.sh install|uninstall BUILD DESTDIR PREFIX VERSION
#
# One list says what goes where, for both directions.
set -eu
action=$1 build=$2 destdir=$3 prefix=$4 version=$5

list() { # mode, source, place below the prefix
    echo 755 "$build/atools-lua" bin/atools-lua
    echo 644 "$build/libatools.a" lib/libatools.a
    echo 644 "$build/libatools_lua.a" lib/libatools_lua.a
    echo 755 "$build/libatools.so.$version" "lib/libatools.so.$version"
    echo link "libatools.so.$version" "lib/libatools.so.${version%%.*}"
    echo link "libatools.so.${version%%.*}" lib/libatools.so
    echo 644 "$build/gen/atools.pc" lib/pkgconfig/atools.pc
    echo 644 "$build/gen/atools-lua.pc" lib/pkgconfig/atools-lua.pc
    echo 644 engine/atools.h include/atools.h
    echo 644 bindings/atools_lua.h include/atools_lua.h
    each engine/atools/*.h include/atools
    echo 755 "$build/lua/atools/native.so" lib/lua/5.4/atools/native.so
    # The Lua halves are in native.so; the files are for reading and editors.
    # A module that is a stub for native.so keeps its place.
    (cd scripts/lib && find . -name '*.lua') | sort | while read -r file; do
        [ -e "scripts/stubs/$file" ] ||
            echo 644 "scripts/lib/$file" "share/lua/5.4/${file#./}"
    done
    each scripts/stubs/*.lua share/lua/5.4
    each scripts/meta/*.lua share/atools/meta
    find scripts/examples -type d | while read -r directory; do
        each "$directory"/* "share/atools/${directory#scripts/}"
    done
    for file in scripts/API.md README.md LICENSE; do
        each "$file" share/doc/atools
    done
}
each() { # files..., directory
    for last; do :; done
    for file; do
        [ ! -f "$file" ] || echo 644 "$file" "$last/${file##*/}"
    done
}

pkg_config_files() {
    cat >"$build/gen/atools.pc" <<END
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: atools
Description: a networking engine driven by callbacks
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -latools
Libs.private: -pthread ${PKG_LIBS:-}
END
    cat >"$build/gen/atools-lua.pc" <<END
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: atools-lua
Description: the Lua modules of atools inside a C host
Version: $version
Requires: atools lua5.4
Cflags: -I\${includedir}
Libs: -L\${libdir} -latools_lua -latools -lm
END
}

[ "$action" = uninstall ] || pkg_config_files
list | while read -r mode source place; do
    target=$destdir$prefix/$place
    if [ "$action" = uninstall ]; then
        rm -f "$target"
        continue
    fi
    mkdir -p "${target%/*}"
    case $mode in
    link) ln -sf "$source" "$target" ;;
    *) install -m "$mode" "$source" "$target" ;;
    esac
done
# Of directories only our own go, and only when nothing else is in them.
if [ "$action" = uninstall ]; then
    for place in include lib/lua/5.4 share/lua/5.4 share share/doc; do
        [ ! -d "$destdir$prefix/$place/atools" ] ||
            find "$destdir$prefix/$place/atools" -depth -type d -empty -delete
    done
fi
