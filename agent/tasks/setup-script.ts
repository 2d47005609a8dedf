/**
 * The shell side of starting a process in a task; launch.ts is the other. POSIX sh, run by dash, bash and busybox ash alike.
 *
 * The shell stays, as the parent of the command. In a new task it is process 1, where a command would ignore every signal it
 * has no handler for and would have to reap orphans: the shell, waiting for its child, does the reaping, and with its end the
 * kernel kills what is left. The command is its *foreground* child: a background one loses stdin and ignores SIGINT.
 *
 * Descriptors: 3 is a socket to the agent, 4 the command's stderr; 2 takes what fails on the way (and later nothing: a
 * shell reports there that its child was killed). On 3 the shell says, a line each,
 *   warn TEXT        something is not as it should be, but the command runs
 *   fail CODE TEXT   the command does not run
 *   ready            said by the child that will become the command, which then waits
 * and the agent answers `go`. By then it has found the child's pid and noted it, where the task is to outlive the agent. An
 * agent killed before that leaves end-of-file on 3, and the child gives up.
 *
 * Descriptor 5 is the task's fate, a file that tells the next agent what became of it (task-record.ts); of an exec, the leash
 * that holds it to this agent.
 *
 * The shell has the command's environment, so it sets no variable outside a subshell: it might be one of the command's.
 */
const COMMON = `
say() { printf '%s\\n' "$*" >&3; }
fail() { say "fail $*"; exit "$1"; }

# enter WORKDIR
enter() {
  cd -- "$1" || fail 126 "chdir to \\"$1\\": no such directory, or no permission"
  unset OLDPWD
}

# find PROGRAM: says why exec would fail, as far as that can be told from outside.
find() (
  case $1 in
  */*)
    [ -e "$1" ] || fail 127 "exec: \\"$1\\": stat $1: no such file or directory"
    [ ! -d "$1" ] || fail 126 "exec: \\"$1\\": is a directory"
    [ -x "$1" ] || fail 126 "exec: \\"$1\\": permission denied" ;;
  *)
    vipmesh_seen=no
    set -f
    IFS=:
    for vipmesh_dir in $PATH; do
      [ -f "\${vipmesh_dir:-.}/$1" ] || continue
      [ ! -x "\${vipmesh_dir:-.}/$1" ] || exit 0
      vipmesh_seen=yes
    done
    IFS=' '
    [ $vipmesh_seen = no ] || fail 126 "exec: \\"$1\\": permission denied"
    fail 127 "exec: \\"$1\\": executable file not found in \\$PATH" ;;
  esac
)

# become COMMAND...: in a subshell.
become() {
  say ready
  read -r vipmesh_go <&3 || exit 125
  begun
  exec "$@" 2>&4 3>&- 4>&- 5>&-
}
`;

/**
 * sh -c EXEC_SCRIPT vipmesh-exec WORKDIR PROGRAM COMMAND...: in the namespaces of a running task.
 *
 * Its task may outlive the agent, but it must not. Death signals would reach the command but not its children, so somebody
 * holds the leash: descriptor 5, on which the agent says the command's pid and, when the command has ended, a last line. When
 * the leash breaks without that line, the agent has died, and the command's process group is killed. The holder is nobody's
 * child here: the shell has one child, the command.
 */
export const EXEC_SCRIPT = `${COMMON}
begun() { :; }

hold() {
  read -r vipmesh_pid <&5 || exit
  read -r vipmesh_end <&5 || kill -s KILL -- "-$vipmesh_pid" $$
}

enter "$1"
find "$2" || exit $?
shift 2
umask 022
exec 2>/dev/null
( hold >/dev/null 3>&- 4>&- & )
( become "$@" )
exit $?
`;

/**
 * sh FILE DIRECTORY ID MOUNT HOSTNAME-TOOL WORKDIR PROGRAM COMMAND...: as process 1 of new namespaces. Its fate is opened
 * before anything can be mounted over it.
 */
export const TASK_SCRIPT = `${COMMON}
begun() { echo begun >&5; }

# prepare DIRECTORY ID MOUNT HOSTNAME-TOOL
prepare() (
  set -f
  for vipmesh_file in /etc/resolv.conf /etc/hosts; do
    [ -e $vipmesh_file ] || fail 125 "this host has no $vipmesh_file (or it is a link to nothing), over which the task's own is mounted: create an empty one"
    vipmesh_error=$("$3" --bind "$1/\${vipmesh_file##*/}" $vipmesh_file 2>&1) || fail 125 $vipmesh_error
  done
  # The host's own resolver and name cache would answer in place of the task's name server: nss-resolve, nscd.
  for vipmesh_file in /run/systemd/resolve/io.systemd.Resolve /run/nscd/socket /var/run/nscd/socket; do
    [ ! -S $vipmesh_file ] || vipmesh_error=$("$3" --bind /dev/null $vipmesh_file 2>&1) || say warn $vipmesh_error
  done
  vipmesh_error=$({ "$4" "$2" || printf %s "$2" >/proc/sys/kernel/hostname; } 2>&1) || fail 125 "cannot set the host name:" $vipmesh_error
  # Refused in a container that hides parts of its own /proc. The task then sees the processes of the agent's.
  vipmesh_error=$("$3" -t proc -o nosuid,nodev,noexec proc /proc 2>&1) || say warn "no /proc of its own:" $vipmesh_error
)

exec 5>"$1/fate"
prepare "$1" "$2" "$3" "$4" || exit $?
enter "$5"
find "$6" || exit $?
shift 6
umask 022
exec 2>/dev/null
( become "$@" )
set -- $?
echo "$1" >&5
exit "$1"
`;
