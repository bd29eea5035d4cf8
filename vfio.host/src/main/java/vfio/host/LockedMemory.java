package vfio.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** How much memory this process may lock, which devices' mappings do. */
final class LockedMemory {
    private static final Pattern LIMIT = Pattern.compile("(?m)^Max locked memory +(\\S+)");

    private final Path limits;

    /** @param limits {@code /proc/self/limits} */
    LockedMemory(Path limits) {
        this.limits = limits;
    }

    /** Says how much is needed where the kernel only says that it is too much. */
    VfioException exceeded(String what, long needed, VfioException cause) {
        return new VfioException(
                Errno.ENOMEM,
                "mapping " + what + " failed with ENOMEM: the device needs " + needed
                        + " bytes of locked memory and the"
                        + " process may lock " + limit() + "; raise that (LimitMEMLOCK=, ulimit -l) or give the runtime"
                        + " CAP_IPC_LOCK",
                cause);
    }

    private String limit() {
        try {
            Matcher matcher = LIMIT.matcher(Files.readString(limits));
            return matcher.find() ? matcher.group(1) : "an unknown number";
        } catch (IOException e) {
            return "an unknown number";
        }
    }
}
