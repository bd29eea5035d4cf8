package vfio.sim;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.SparseArea;

/**
 * A BAR: shared memory, with behaviour at some registers.
 *
 * <p>Mapped and trapped accesses meet in the same bytes. A trapped access of any width and alignment is cut at the
 * boundaries of the registers it touches: a register's behaviour happens once per access, a write to a part of a register
 * leaves the rest of it as stored, everything else is plain memory. Pages that hold a register with behaviour are not
 * offered for mapping.
 */
final class Bar {
    private static final int PAGE = RegionInfo.PAGE_SIZE;

    private final BarShape shape;
    private final SharedMemory memory;
    private final Register[] registers;
    private final long volatileBytes;
    private final RegionInfo info;

    /**
     * @param memory zeroed, at least as large as the BAR
     * @param registers in any order, disjoint
     * @param volatileBytes how many bytes from the start a reset clears; what follows is memory of the device that
     *     survives a reset
     */
    Bar(BarShape shape, SharedMemory memory, List<Register> registers, long volatileBytes) {
        this.shape = shape;
        this.memory = memory;
        this.registers = registers.stream()
                .sorted(Comparator.comparingInt(Register::offset))
                .toArray(Register[]::new);
        this.volatileBytes = volatileBytes;
        info = describe();
        applyResetValues();
    }

    RegionInfo info() {
        return info;
    }

    /** The memory to map, or null if no page of the BAR may be mapped. */
    @Nullable
    SharedMemory mappableMemory() {
        return info.is(RegionInfo.Flag.MMAP) ? memory : null;
    }

    void read(RegionAccess access) {
        long base = access.offset();
        long end = base + access.length();
        int next = firstEndingAfter(base);
        for (long at = base; at < end; ) {
            if (next < registers.length && registers[next].offset() <= at) {
                at = readRegister(registers[next++], access, at, end);
            } else {
                long stop = next < registers.length ? Math.min(end, registers[next].offset()) : end;
                Transfer.read(memory, at, access, (int) (at - base), (int) (stop - at));
                at = stop;
            }
        }
    }

    void write(RegionAccess access) {
        long base = access.offset();
        long end = base + access.length();
        int next = firstEndingAfter(base);
        for (long at = base; at < end; ) {
            if (next < registers.length && registers[next].offset() <= at) {
                at = writeRegister(registers[next++], access, at, end);
            } else {
                long stop = next < registers.length ? Math.min(end, registers[next].offset()) : end;
                Transfer.write(memory, at, access, (int) (at - base), (int) (stop - at));
                at = stop;
            }
        }
    }

    /** Brings the registers to their values after a reset. */
    void reset() {
        ByteBuffer zeros = ByteBuffer.allocate(PAGE);
        for (long at = 0; at < volatileBytes; at += zeros.capacity()) {
            memory.put(at, zeros.clear().limit((int) Math.min(PAGE, volatileBytes - at)));
        }
        applyResetValues();
    }

    private long readRegister(Register register, RegionAccess access, long at, long end) {
        LongSupplier handler = register.onRead();
        long value = handler == null ? stored(register) : handler.getAsLong();
        int index = (int) (at - access.offset());
        int skipped = (int) (at - register.offset());
        int count = (int) (Math.min(register.end(), end) - at);
        if (count == Long.BYTES) {
            access.putLong(index, value);
        } else if (count == Integer.BYTES && skipped % Integer.BYTES == 0) {
            access.putInt(index, (int) (value >>> (Byte.SIZE * skipped)));
        } else {
            for (int offset = 0; offset < count; offset++) {
                access.put(index + offset, (byte) (value >>> (Byte.SIZE * (skipped + offset))));
            }
        }
        return at + count;
    }

    private long writeRegister(Register register, RegionAccess access, long at, long end) {
        int index = (int) (at - access.offset());
        int skipped = (int) (at - register.offset());
        int count = (int) (Math.min(register.end(), end) - at);
        long value;
        if (count == register.width()) {
            value = count == Long.BYTES ? access.getLong(index) : access.getInt(index) & 0xffff_ffffL;
        } else {
            value = stored(register);
            for (int offset = 0; offset < count; offset++) {
                int shift = Byte.SIZE * (skipped + offset);
                value = (value & ~(0xffL << shift)) | ((access.get(index + offset) & 0xffL) << shift);
            }
        }
        LongConsumer handler = register.onWrite();
        if (handler == null) {
            store(register, (stored(register) & ~register.writable()) | (value & register.writable()));
            if (register.doorbell() != null) {
                register.doorbell().run();
            }
        } else {
            handler.accept(value);
        }
        return at + count;
    }

    private long stored(Register register) {
        return register.width() == Long.BYTES
                ? memory.getLong(register.offset())
                : memory.getInt(register.offset()) & 0xffff_ffffL;
    }

    private void store(Register register, long value) {
        if (register.width() == Long.BYTES) {
            memory.putLong(register.offset(), value);
        } else {
            memory.putInt(register.offset(), (int) value);
        }
    }

    private int firstEndingAfter(long offset) {
        int low = 0;
        int high = registers.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (registers[middle].end() > offset) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }

    private void applyResetValues() {
        for (Register register : registers) {
            if (register.reset() != 0) {
                store(register, register.reset());
            }
        }
    }

    private RegionInfo describe() {
        if (!shape.mappable()) {
            return RegionInfo.trapped(shape.index(), shape.size());
        }
        List<SparseArea> areas = new ArrayList<>();
        long start = 0;
        for (Register register : registers) {
            int page = register.offset() / PAGE * PAGE;
            if (register.hasBehaviour()) {
                if (page > start) {
                    areas.add(SparseArea.direct(start, page - start));
                }
                start = (long) page + PAGE;
            }
        }
        if (start == 0) {
            return RegionInfo.mappable(shape.index(), shape.size());
        }
        if (start < shape.size()) {
            areas.add(SparseArea.direct(start, shape.size() - start));
        }
        return RegionInfo.trapped(shape.index(), shape.size()).withAreas(areas);
    }
}
