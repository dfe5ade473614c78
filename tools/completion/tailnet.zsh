#compdef tailnet
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tailnet(1) for zsh.

# Names of the peers, if a program runs the node that the line speaks of: nothing is started for the sake of a completion.
_tailnet_peers ()
{
  [[ -S $folder/bus ]] || return 1
  compadd -- ${(f)"$(tailnet --state $folder --timeout 1 status 2>/dev/null | awk 'NR > 1 && $1 != "#" { print $2 }')"}
}

_tailnet ()
{
  local -a commands=(up down logout status ip whoami whois dns id-token ping nc serve perf demo version)
  local -a globals=(
    '(-s --state)'{-s,--state=}'[folder that keeps the keys of the node]:folder:_directories'
    '(-e --ephemeral)'{-e,--ephemeral}'[be a node that is gone when the program ends]'
    '(-l --login-server)'{-l,--login-server=}'[URL of the control server]:URL:'
    '(-k --auth-key)'{-k,--auth-key=}'[key to join with]:key:'
    '(-n --hostname)'{-n,--hostname=}'[name to ask for]:name:'
    '*'{-t,--tag=}'[tag to ask for]:tag:'
    '--allow-plain-http[ask a control server that is not private without TLS, too]'
    '--ca=[certificate authorities to trust]:file:_files'
    '--capture=[write the packets of the node to a file]:file:_files'
    '--timeout=[seconds after which to give up]:seconds:'
    '(-j --json)'{-j,--json}'[print JSON]'
    '(-v --verbose)'{-v,--verbose}'[say what happens, on standard error]'
    '--version[print the version]'
  )
  local peer='1:peer:_tailnet_peers'
  local -a json=('(-j --json)'{-j,--json}'[print JSON]')
  local -a own=()
  local context state state_descr line
  typeset -A opt_args

  _arguments -C -S $globals '(- *)'{-h,--help}'[show help]' '1: :->command' '*:: :->argument' && return
  if [[ $state == command ]]; then
    compadd -- $commands
    return
  fi
  local folder=${${(Q)${opt_args[-s]:-${opt_args[--state]:-$TS_STATE_DIR}}}/#\~/$HOME}
  case $words[1] in
    up) own=('--tun=-[make an interface of the kernel]::name:') ;;
    status | whoami | version) own=($json) ;;
    ip) own=({-4,--ipv4} {-6,--ipv6} {-1,--first} $peer) ;;
    dns) own=($json '1:command:(status publish)') ;;
    whois) own=($json $peer) ;;
    ping) own=($json {-c,--count=}':pings:' --tsmp --icmp --until-direct '--size=:bytes:' {-i,--interval=}':milliseconds:' $peer) ;;
    nc) own=({-l,--listen} {-u,--udp} {-w,--wait=}':seconds:' $peer '2:port:') ;;
    perf) own=($json {-l,--listen} {-p,--port=}':port:' --upload --download --pingpong {-P,--streams=}':number:'
               {-t,--time=}':seconds:' {-n,--bytes=}':bytes:' $peer) ;;
    demo) own=(--stay) ;;
  esac
  _arguments -S $own '(- *)'{-h,--help}'[show help]'
}

_tailnet "$@"
