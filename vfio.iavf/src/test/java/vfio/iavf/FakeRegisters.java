package vfio.iavf;

import java.util.HashMap;
import java.util.Map;
import java.util.function.IntConsumer;

/** Registers that keep what is written, and do something on writes to some of them. */
final class FakeRegisters implements RegisterSpace {
    private final Map<Integer, Integer> values = new HashMap<>();
    private final Map<Integer, IntConsumer> writeHandlers = new HashMap<>();

    void onWrite(int offset, IntConsumer handler) {
        writeHandlers.put(offset, handler);
    }

    void set(int offset, int value) {
        values.put(offset, value);
    }

    @Override
    public int read(int offset) {
        return values.getOrDefault(offset, 0);
    }

    @Override
    public void write(int offset, int value) {
        values.put(offset, value);
        writeHandlers.getOrDefault(offset, unused -> {}).accept(value);
    }
}
