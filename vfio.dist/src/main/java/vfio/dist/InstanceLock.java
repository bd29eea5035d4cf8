package vfio.dist;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/**
 * Keeps a second instance away from a socket folder. The kernel drops the lock with the process, however it ends; the
 * file stays, and holds the number of the process for people.
 */
final class InstanceLock implements AutoCloseable {
    static final String NAME = "vfio-mediate.lock";

    private final FileChannel channel;

    private InstanceLock(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Takes the folder.
     *
     * @throws LaunchException with {@link ExitStatus#ALREADY_RUNNING} if somebody has it
     */
    static InstanceLock take(Path folder) throws LaunchException {
        Path file = folder.resolve(NAME);
        try {
            FileChannel channel = FileChannel.open(
                    file,
                    Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-r--r--")));
            if (!lock(channel)) {
                channel.close();
                throw taken(folder, file);
            }
            channel.truncate(0);
            String pid = ProcessHandle.current().pid() + "\n";
            channel.write(ByteBuffer.wrap(pid.getBytes(StandardCharsets.US_ASCII)), 0);
            return new InstanceLock(channel);
        } catch (IOException e) {
            throw new LaunchException(ExitStatus.CANNOT_CREATE, "cannot lock " + file + ": " + e);
        }
    }

    private static boolean lock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException heldByThisProcess) {
            return false;
        }
    }

    private static LaunchException taken(Path folder, Path file) throws IOException {
        String pid = Files.readString(file).strip();
        String holder = pid.isEmpty() ? "another process" : "process " + pid;
        String stop = pid.isEmpty() ? "stop it" : "stop it (kill " + pid + ")";
        return new LaunchException(
                ExitStatus.ALREADY_RUNNING,
                "another instance uses " + folder + ": " + holder
                        + ". Either " + stop + ", or start this one with another --socket-dir. "
                        + "To run a command in the other one: exec 'COMMAND' --socket-dir " + folder);
    }

    /** Gives the folder back. Again and again is allowed. */
    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new IllegalStateException("closing the lock file", e);
        }
    }
}
