package vfio.pci.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicInteger;
import vfio.pci.api.device.SharedMemory;

/** Memory in the heap, which counts how often it is closed. */
final class FakeMemory implements SharedMemory {
    final ByteBuffer bytes;
    final AtomicInteger closed = new AtomicInteger();

    /** Runs inside each copy. */
    Runnable onCopy = () -> {};

    FakeMemory(int size) {
        bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public long size() {
        return bytes.capacity();
    }

    @Override
    public byte getByte(long offset) {
        return bytes.get((int) offset);
    }

    @Override
    public void putByte(long offset, byte value) {
        bytes.put((int) offset, value);
    }

    @Override
    public int getShort(long offset) {
        return bytes.getShort((int) offset) & 0xffff;
    }

    @Override
    public void putShort(long offset, int value) {
        bytes.putShort((int) offset, (short) value);
    }

    @Override
    public int getInt(long offset) {
        return bytes.getInt((int) offset);
    }

    @Override
    public void putInt(long offset, int value) {
        bytes.putInt((int) offset, value);
    }

    @Override
    public long getLong(long offset) {
        return bytes.getLong((int) offset);
    }

    @Override
    public void putLong(long offset, long value) {
        bytes.putLong((int) offset, value);
    }

    @Override
    public void get(long offset, ByteBuffer destination) {
        onCopy.run();
        destination.put(destination.position(), bytes, (int) offset, destination.remaining());
        destination.position(destination.limit());
    }

    @Override
    public void put(long offset, ByteBuffer source) {
        onCopy.run();
        bytes.put((int) offset, source, source.position(), source.remaining());
        source.position(source.limit());
    }

    @Override
    public void close() {
        closed.incrementAndGet();
    }
}
