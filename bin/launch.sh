# Sourced by the programs beside it, not run: finds the right Node and becomes it. POSIX sh; every process that
# starts here costs start-up time, so there are as few as possible.

# launch APP ARGUMENTS...: runs the program of apps/APP in place of this shell, so that signals reach it.
launch() {
  app=$1
  shift
  node=$root/node_modules/.bin/node
  if [ ! -x "$node" ]; then
    node=$(command -v node) || node=
    case $(test -n "$node" && "$node" -p 'parseInt(process.versions.node) >= 26') in
      true) ;;
      *)
        echo "dragoman-$app: Node 26 or newer is needed. Run \`npm ci\` in $root: it brings its own." >&2
        exit 1
        ;;
    esac
  fi
  cache=$root/node_modules/.cache/dragoman
  program=$root/apps/$app/src/main.ts
  if bundle_is_current; then program=$cache/bundle/$app.js; fi
  # Compiled code is kept between runs: it halves the time until the listeners are up.
  : "${NODE_COMPILE_CACHE:=$cache/compiled}"
  export NODE_COMPILE_CACHE
  # The flag makes V8 finish a regular expression in linear time once it backtracks too much.
  exec "$node" --enable-experimental-regexp-engine-on-excessive-backtracks --disable-warning=ExperimentalWarning \
    "$program" "$@"
}

# True when tools/bundle.ts has bundled this very checkout and no source has changed since.
bundle_is_current() {
  made_for=
  if [ -r "$cache/bundle/made-for" ]; then read -r made_for <"$cache/bundle/made-for"; fi
  [ "$made_for" = "$root" ] || return 1
  [ -z "$(find "$root/apps" "$root/packages" \( -name node_modules -o -name dist \) -prune -o \
    \( -name '*.ts' -o -type d \) -newer "$cache/bundle/made-for" -print -quit 2>/dev/null)" ]
}
