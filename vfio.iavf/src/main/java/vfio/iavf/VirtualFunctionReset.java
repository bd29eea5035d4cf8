package vfio.iavf;

import java.time.Duration;
import java.util.function.Supplier;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/** What the driver sees of a reset: registers, and the bus. */
final class VirtualFunctionReset {
    private static final Duration BEGIN = Duration.ofSeconds(5);
    private static final Duration END = Duration.ofSeconds(20);

    /** What a reset clears and nobody but the driver sets again. */
    private static final int[] CLEARED = {
        VfRegister.VF_ATQH1,
        VfRegister.VF_ATQT1,
        VfRegister.VF_ATQLEN1,
        VfRegister.VF_ATQBAL1,
        VfRegister.VF_ATQBAH1,
        VfRegister.VF_ARQH1,
        VfRegister.VF_ARQT1,
        VfRegister.VF_ARQLEN1,
        VfRegister.VF_ARQBAL1,
        VfRegister.VF_ARQBAH1,
        VfRegister.VFINT_DYN_CTL01,
        VfRegister.VFINT_DYN_CTLN1,
        VfRegister.VFINT_ICR01,
        VfRegister.VFINT_ICR0_ENA1,
    };

    private final Supplier<VfioUserClient> client;
    private final RegisterSpace registers;

    /** @param client who has the function now */
    VirtualFunctionReset(Supplier<VfioUserClient> client, RegisterSpace registers) {
        this.client = client;
        this.registers = registers;
    }

    /** Lets the function reach memory, as the operating system does after it has found or reset it. */
    void enableBusMaster() {
        client.get()
                .writeShort(PciRegion.CONFIG, PciConfig.COMMAND, PciConfig.COMMAND_MEMORY | PciConfig.COMMAND_MASTER);
    }

    /** Waits until the function may be used for the first time. */
    void awaitActive(Duration patience) {
        Deadline deadline = Deadline.in(patience);
        int state = state();
        while (state != VfRegister.RSTAT_VFACTIVE && state != VfRegister.RSTAT_COMPLETED) {
            if (deadline.expired()) {
                throw new DeviceViolation("VFGEN_RSTAT is " + state + " after " + deadline
                        + "; the function cannot be used before it is 1 or 2");
            }
            deadline.pause();
            state = state();
        }
    }

    /** Waits until a reset has begun and is over. */
    void awaitEnd(Mailbox mailbox) {
        Deadline begin = Deadline.in(BEGIN);
        while (mailbox.alive()) {
            if (begin.expired()) {
                throw new DeviceViolation("VF_ARQLEN1 still has ENABLE set " + begin + " after a reset was asked for");
            }
            begin.pause();
        }
        Deadline end = Deadline.in(END);
        while (state() != VfRegister.RSTAT_VFACTIVE) {
            if (end.expired()) {
                throw new DeviceViolation("VFGEN_RSTAT is " + state() + " " + end + " after a reset began");
            }
            end.pause();
        }
        for (int register : CLEARED) {
            int value = registers.read(register);
            if (value != 0) {
                throw new DeviceViolation("register 0x" + Integer.toHexString(register) + " is 0x"
                        + Integer.toHexString(value) + " after a reset");
            }
        }
    }

    private int state() {
        int value = registers.read(VfRegister.VFGEN_RSTAT);
        if ((value & ~VfRegister.RSTAT_MASK) != 0 || value == VfRegister.RSTAT_MASK) {
            throw new DeviceViolation("VFGEN_RSTAT is 0x" + Integer.toHexString(value));
        }
        return value;
    }
}
