package vfio.linux;

/**
 * Who is at the other end of a UNIX socket, as of connect or listen ({@code SO_PEERCRED}, {@code struct ucred}).
 *
 * @param pid process id; 0 if the peer lives outside our PID namespace
 * @param uid effective user id
 * @param gid effective group id
 */
public record PeerCredentials(int pid, int uid, int gid) {}
