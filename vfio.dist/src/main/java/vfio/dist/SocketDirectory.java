package vfio.dist;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.UUID;

/**
 * The folder of the sockets.
 *
 * @param path absolute
 */
record SocketDirectory(Path path) {
    /** The longest name in it, and what {@code sun_path} of {@code struct sockaddr_un} holds beside the final zero. */
    private static final String LONGEST_NAME = "/0000:00:00.0.sock";

    private static final int SUN_PATH = 107;

    /**
     * Makes sure that the folder is there and can be used.
     *
     * @throws LaunchException with {@link ExitStatus#CANNOT_CREATE}
     */
    static SocketDirectory prepare(Path path) throws LaunchException {
        if ((path + LONGEST_NAME).getBytes(StandardCharsets.UTF_8).length > SUN_PATH) {
            throw cannotUse(path, "a UNIX socket's path has at most " + SUN_PATH + " bytes");
        }
        try {
            Files.createDirectories(
                    path, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Path real = path.toRealPath();
            if (!Files.isWritable(real)) {
                throw cannotUse(path, "it is not writable");
            }
            return new SocketDirectory(real);
        } catch (IOException e) {
            throw cannotUse(path, e.toString());
        }
    }

    /** Removes the sockets that a runtime ended by force left behind. To be called only with the folder's lock held. */
    void removeSockets() {
        try {
            for (Path socket : Layout.list(path, "*.sock")) {
                Files.deleteIfExists(socket);
            }
        } catch (LaunchException | IOException e) {
            System.err.println("vfio-mediate: sockets may be left in " + path + ": " + e.getMessage());
        }
    }

    /** A name for what belongs to the instance that uses this folder: readable and unique. */
    String key() {
        UUID hash = UUID.nameUUIDFromBytes(path.toString().getBytes(StandardCharsets.UTF_8));
        return path.getFileName() + "-" + hash.toString().substring(0, 8);
    }

    private static LaunchException cannotUse(Path path, String reason) {
        return new LaunchException(
                ExitStatus.CANNOT_CREATE,
                "cannot use the socket folder " + path + ": " + reason
                        + ". Name another one with --socket-dir, or set XDG_RUNTIME_DIR.");
    }
}
