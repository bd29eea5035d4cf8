package vfio.migration;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.VfioException;

/** A file with the state of a device, as {@code docs/stream.md} specifies it. */
final class StateFile {
    private static final int CHUNK = 1 << 16;

    private StateFile() {}

    /**
     * Reads the state of a stopped device into a file. It gets its name when all of it is on disk; if that fails, a file of the name is
     * as it was.
     *
     * @return bytes
     * @throws VfioException EIO, ENOSPC and the like with the path; else what the device fails with
     */
    static long write(Path file, Migratable device) {
        Path folder = file.toAbsolutePath().getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new VfioException(Errno.ENOENT, "there is no folder " + folder + "; make it first");
        }
        Path part = folder.resolve(file.getFileName() + ".part");
        try {
            long bytes = copy(device, part);
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            try (FileChannel entry = FileChannel.open(folder)) {
                entry.force(true);
            }
            return bytes;
        } catch (IOException e) {
            throw new VfioException(
                    Errno.EIO, file + " cannot be written: " + e.getMessage() + "; the device runs on", e);
        } finally {
            try {
                Files.deleteIfExists(part);
            } catch (IOException e) {
                part.toFile().deleteOnExit();
            }
        }
    }

    /**
     * Writes a file to a device that takes a state over.
     *
     * @throws VfioException ENOENT, EIO with the path; else what the device fails with
     */
    static void read(Path file, Migratable device) {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer chunk = ByteBuffer.allocate(CHUNK);
            while (channel.read(chunk.clear()) >= 0) {
                device.write(chunk.flip());
            }
        } catch (NoSuchFileException e) {
            throw new VfioException(Errno.ENOENT, "there is no file " + file, e);
        } catch (IOException e) {
            throw new VfioException(Errno.EIO, file + " cannot be read: " + e.getMessage(), e);
        }
    }

    private static long copy(Migratable device, Path part) throws IOException {
        long bytes = 0;
        try (FileChannel channel = FileChannel.open(
                part, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            ByteBuffer chunk = ByteBuffer.allocate(CHUNK);
            while (device.read(chunk.clear()) > 0) {
                chunk.flip();
                bytes += chunk.remaining();
                while (chunk.hasRemaining()) {
                    channel.write(chunk);
                }
            }
            channel.force(true);
        }
        return bytes;
    }
}
