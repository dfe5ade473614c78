# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tailnet(1) for bash.

# Names of the peers, if a program runs the node that the line speaks of: nothing is started for the sake of a completion.
_tailnet_peers ()
{
  local state=$1
  [ -S "${state:-$TS_STATE_DIR}/bus" ] || return
  tailnet ${state:+--state "$state"} --timeout 1 status 2>/dev/null | awk 'NR > 1 && $1 != "#" { print $2 }'
}

_tailnet ()
{
  local commands='up down logout status ip whoami whois dns id-token ping nc serve perf demo version'
  local globals='--state --ephemeral --login-server --auth-key --hostname --tag --ca --capture --allow-plain-http --timeout --json --verbose --version --help'
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  local command='' state='' options='' i word

  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      -s | --state) state=${COMP_WORDS[++i]} ;;
      -l | --login-server | -k | --auth-key | -n | --hostname | -t | --tag | --ca | --capture | --timeout) ((i++)) ;;
      -*) ;;
      =) ((i++)) ;;
      *) command=$word; break ;;
    esac
  done
  state=${state/#\~/$HOME}

  if [ -z "$command" ]; then
    case $prev in
      -s | --state) COMPREPLY=($(compgen -d -- "$cur")); return ;;
      --ca | --capture) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      -l | --login-server | -k | --auth-key | -n | --hostname | -t | --tag | --timeout) return ;;
    esac
    COMPREPLY=($(compgen -W "$commands $globals" -- "$cur"))
    return
  fi

  case $command in
    up) options='--tun' ;;
    status | whoami | dns | version) options='--json' ;;
    ip) options='--ipv4 --ipv6 --first' ;;
    whois) options='--json' ;;
    ping) options='--count --tsmp --icmp --until-direct --size --interval --json' ;;
    nc) options='--listen --udp --wait' ;;
    perf) options='--listen --port --upload --download --pingpong --streams --time --bytes --json' ;;
    demo) options='--stay' ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options --help" -- "$cur"))
    return
  fi
  case $command in
    dns) COMPREPLY=($(compgen -W 'status publish' -- "$cur")) ;;
    ip | whois | ping | nc | perf) COMPREPLY=($(compgen -W "$(_tailnet_peers "$state")" -- "$cur")) ;;
  esac
}

complete -F _tailnet tailnet
