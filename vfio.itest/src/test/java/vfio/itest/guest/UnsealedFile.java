package vfio.itest.guest;

import com.sun.jna.NativeLibrary;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import vfio.linux.Descriptor;
import vfio.linux.MappedMemory;

/** Memory of a client that may take it away again: a file that is not sealed against shrinking. */
final class UnsealedFile implements AutoCloseable {
    private static final int READ_WRITE = 2;

    private final FileChannel channel;
    private final MappedMemory memory;

    private UnsealedFile(FileChannel channel, MappedMemory memory) {
        this.channel = channel;
        this.memory = memory;
    }

    static UnsealedFile create(int size) throws IOException, ReflectiveOperationException {
        Path path = Files.createTempFile(Path.of("/dev/shm"), "vfio", ".memory");
        try {
            FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
            channel.write(ByteBuffer.allocate(size));
            return new UnsealedFile(channel, MappedMemory.map(open(path), 0, size, true));
        } finally {
            Files.delete(path);
        }
    }

    MappedMemory memory() {
        return memory;
    }

    /** Takes all its pages away from whoever has them mapped. */
    void truncate() throws IOException {
        channel.truncate(0);
    }

    @Override
    public void close() throws IOException {
        memory.close();
        channel.close();
    }

    /** The product makes descriptors only of what it creates or receives; a client of its own has to make one of a path. */
    private static Descriptor open(Path path) throws ReflectiveOperationException {
        int number = NativeLibrary.getInstance("c")
                .getFunction("open")
                .invokeInt(new Object[] {path.toString(), READ_WRITE});
        if (number < 0) {
            throw new AssertionError("cannot open " + path);
        }
        Constructor<Descriptor> constructor = Descriptor.class.getDeclaredConstructor(int.class);
        constructor.setAccessible(true);
        return constructor.newInstance(number);
    }
}
