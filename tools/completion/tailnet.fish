# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of tailnet(1) for fish.

set -l commands up down logout status ip whoami whois dns id-token ping nc serve perf demo version

# Names of the peers, if a program runs the node that the line speaks of: nothing is started for the sake of a completion.
function __tailnet_peers
    set -l words (commandline -opc)
    set -l state $TS_STATE_DIR
    for i in (seq (count $words))
        switch $words[$i]
            case -s --state
                set state $words[(math $i + 1)]
            case '--state=*'
                set state (string replace -- --state= '' $words[$i])
        end
    end
    set state (string replace -r '^~' $HOME -- $state)
    test -S "$state/bus"; or return
    tailnet --state $state --timeout 1 status 2>/dev/null | awk 'NR > 1 && $1 != "#" { print $2 }'
end

complete -c tailnet -f
set -l none "not __fish_seen_subcommand_from $commands"
complete -c tailnet -n $none -a "$commands"
complete -c tailnet -n $none -s s -l state -x -a '(__fish_complete_directories)' -d 'Folder that keeps the node\'s keys'
complete -c tailnet -n $none -s e -l ephemeral -d 'Be a node that is gone when the program ends'
complete -c tailnet -n $none -s l -l login-server -x -d 'URL of the control server'
complete -c tailnet -n $none -s k -l auth-key -x -d 'Key to join with'
complete -c tailnet -n $none -s n -l hostname -x -d 'Name to ask for'
complete -c tailnet -n $none -s t -l tag -x -d 'Tag to ask for'
complete -c tailnet -n $none -l ca -r -F -d 'Certificate authorities to trust'
complete -c tailnet -n $none -l allow-plain-http -d 'Ask a control server that is not private without TLS, too'
complete -c tailnet -n $none -l capture -r -F -d 'Write the packets of the node to a file'
complete -c tailnet -n $none -l timeout -x -d 'Seconds after which to give up'
complete -c tailnet -n $none -s v -l verbose -d 'Say what happens, on standard error'
complete -c tailnet -n $none -l version -d 'Print the version'
complete -c tailnet -s h -l help -d 'Show help'
complete -c tailnet -n "$none; or __fish_seen_subcommand_from status whoami whois dns ping perf version" -s j -l json -d 'Print JSON'

complete -c tailnet -n '__fish_seen_subcommand_from dns' -a 'status publish'
complete -c tailnet -n '__fish_seen_subcommand_from ip whois ping nc perf' -a '(__tailnet_peers)'
complete -c tailnet -n '__fish_seen_subcommand_from up' -l tun
complete -c tailnet -n '__fish_seen_subcommand_from ip' -s 4 -l ipv4
complete -c tailnet -n '__fish_seen_subcommand_from ip' -s 6 -l ipv6
complete -c tailnet -n '__fish_seen_subcommand_from ip' -s 1 -l first
complete -c tailnet -n '__fish_seen_subcommand_from ping' -s c -l count -x
complete -c tailnet -n '__fish_seen_subcommand_from ping' -l tsmp
complete -c tailnet -n '__fish_seen_subcommand_from ping' -l icmp
complete -c tailnet -n '__fish_seen_subcommand_from ping' -l until-direct
complete -c tailnet -n '__fish_seen_subcommand_from ping' -l size -x
complete -c tailnet -n '__fish_seen_subcommand_from ping' -s i -l interval -x
complete -c tailnet -n '__fish_seen_subcommand_from nc perf' -s l -l listen
complete -c tailnet -n '__fish_seen_subcommand_from nc' -s u -l udp
complete -c tailnet -n '__fish_seen_subcommand_from nc' -s w -l wait -x
complete -c tailnet -n '__fish_seen_subcommand_from perf' -s p -l port -x
complete -c tailnet -n '__fish_seen_subcommand_from perf' -l upload
complete -c tailnet -n '__fish_seen_subcommand_from perf' -l download
complete -c tailnet -n '__fish_seen_subcommand_from perf' -l pingpong
complete -c tailnet -n '__fish_seen_subcommand_from perf' -s P -l streams -x
complete -c tailnet -n '__fish_seen_subcommand_from perf' -s t -l time -x
complete -c tailnet -n '__fish_seen_subcommand_from perf' -s n -l bytes -x
complete -c tailnet -n '__fish_seen_subcommand_from demo' -l stay
