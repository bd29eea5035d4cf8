package vfio.user;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import vfio.linux.PeerCredentials;

/** Which users may connect: those configured, and always root and the user this runtime runs as. */
record Admission(Set<Integer> uids) {
    static Admission of(int[] configured) {
        Set<Integer> uids = Arrays.stream(configured).boxed().collect(Collectors.toSet());
        uids.add(0);
        uids.add(ownUid());
        return new Admission(Set.copyOf(uids));
    }

    boolean admits(PeerCredentials peer) {
        return uids.contains(peer.uid());
    }

    private static int ownUid() {
        try {
            return (Integer) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        } catch (IOException e) {
            throw new UncheckedIOException("/proc is not mounted, so the runtime cannot tell who it is", e);
        }
    }
}
