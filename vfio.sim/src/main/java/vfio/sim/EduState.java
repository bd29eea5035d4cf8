package vfio.sim;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Set;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.VfioException;

/**
 * What an {@link Edu} is besides configuration space, the buffer and plain memory in BAR0: one part, {@code registers}, with the
 * registers that take no values by being written.
 *
 * <p>Little-endian, in this order: 4 bytes each of liveness, factorial, status, interrupt status, whether an MSI is held back (0 or
 * 1) and DMA command, then 8 bytes each of DMA source, destination and count. If the command has the start bit, the transfer begins
 * when the device is thawed.
 */
record EduState(Edu edu) implements HardwareState {
    static final String REGISTERS = "registers";

    private static final int SIZE = 48;
    private static final int STATUS = 8;
    private static final int MSI_PENDING = 16;
    private static final int COMMAND = 20;

    @Override
    public void freeze() {
        edu.freeze();
    }

    @Override
    public void thaw() {
        edu.thaw();
    }

    @Override
    public Set<String> parts() {
        return Set.of(REGISTERS);
    }

    @Override
    public byte[] read(String part) {
        require(part.equals(REGISTERS), "there is no part " + part);
        ByteBuffer bytes = ByteBuffer.allocate(SIZE).order(ByteOrder.LITTLE_ENDIAN);
        edu.save(bytes);
        return bytes.array();
    }

    @Override
    public void check(Map<String, byte[]> parts) {
        decode(parts);
    }

    @Override
    public void write(Map<String, byte[]> parts) {
        edu.load(decode(parts));
    }

    private ByteBuffer decode(Map<String, byte[]> parts) {
        byte[] given = parts.get(REGISTERS);
        if (given == null || parts.size() != 1) {
            throw invalid("it has the parts " + parts.keySet() + ", and the device wants " + parts());
        }
        require(given.length == SIZE, "there are " + given.length + " bytes of registers and not " + SIZE);
        ByteBuffer bytes = ByteBuffer.wrap(given.clone()).order(ByteOrder.LITTLE_ENDIAN);
        requireBits(bytes, STATUS, Edu.STATUS_FACTORIAL_INTERRUPT | Edu.STATUS_DMA_FAILED, "the status register");
        requireBits(bytes, MSI_PENDING, 1, "the number of MSIs held back");
        requireBits(bytes, COMMAND, Edu.DMA_RUN | Edu.DMA_TO_MEMORY | Edu.DMA_RAISE, "the DMA command");
        return bytes;
    }

    private static void requireBits(ByteBuffer bytes, int at, int bits, String name) {
        int value = bytes.getInt(at);
        require((value & ~bits) == 0, name + " cannot be 0x" + Integer.toHexString(value));
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw invalid(otherwise);
        }
    }

    private static VfioException invalid(String reason) {
        return new VfioException(Errno.EINVAL, "this is no state of an EDU device: " + reason);
    }
}
