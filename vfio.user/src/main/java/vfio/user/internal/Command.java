package vfio.user.internal;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The commands of the vfio-user specification, section "Commands", without their {@code VFIO_USER_} prefix. */
public enum Command {
    VERSION(1),
    DMA_MAP(2),
    DMA_UNMAP(3),
    DEVICE_GET_INFO(4),
    DEVICE_GET_REGION_INFO(5),
    DEVICE_GET_REGION_IO_FDS(6),
    DEVICE_GET_IRQ_INFO(7),
    DEVICE_SET_IRQS(8),
    REGION_READ(9),
    REGION_WRITE(10),
    DMA_READ(11),
    DMA_WRITE(12),
    DEVICE_RESET(13),
    REGION_WRITE_MULTI(15),
    DEVICE_FEATURE(16),
    MIG_DATA_READ(17),
    MIG_DATA_WRITE(18);

    private static final @Nullable Command[] BY_NUMBER = byNumber();

    private final int number;

    Command(int number) {
        this.number = number;
    }

    /** The number on the wire. */
    public int number() {
        return number;
    }

    /** The command with a number, or null if there is none. */
    public static @Nullable Command of(int number) {
        return number >= 0 && number < BY_NUMBER.length ? BY_NUMBER[number] : null;
    }

    private static @Nullable Command[] byNumber() {
        int last = Arrays.stream(values()).mapToInt(Command::number).max().orElse(0);
        @Nullable Command[] table = new Command[last + 1];
        for (Command command : values()) {
            table[command.number] = command;
        }
        return table;
    }
}
