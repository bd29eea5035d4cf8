package vfio.shell;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.apache.felix.service.command.Descriptor;
import org.apache.felix.service.command.annotations.GogoCommand;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.pci.PciDevice;

/** Commands that change who mediates an open device, and what of it is trapped. */
@Component(service = HandOverCommands.class, immediate = true)
@GogoCommand(
        scope = "vfio",
        function = {"rebind", "trap"})
public final class HandOverCommands {
    private static final Duration LOOK_AGAIN = Duration.ofMillis(5);
    private static final int LOOKS = 400;
    private static final String STATUS = "status";
    private static final Map<String, Boolean> WISHES = Map.of("on", true, "off", false);

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable DeviceManager manager;

    /** {@code vfio:rebind DEVICE}. */
    @Descriptor("hands an open device over to the driver that would be chosen for it now")
    public ExplanationReport rebind(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return rebind(device, Optional.empty());
    }

    /** {@code vfio:rebind DEVICE DRIVER}. */
    @Descriptor("hands an open device over to a driver")
    public ExplanationReport rebind(
            @Descriptor("address, or the end of it: 3:2.0") String device,
            @Descriptor("name of the driver, as in vfio:mediators") String driver) {
        return rebind(device, Optional.of(driver));
    }

    /** {@code vfio:trap DEVICE}. */
    @Descriptor("says whether the disablable areas of an open device are trapped")
    public TrapReport trap(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return trap(device, STATUS);
    }

    /** {@code vfio:trap DEVICE on|off|status}. */
    @Descriptor("traps the disablable areas of an open device, or lets its client map them again")
    public TrapReport trap(
            @Descriptor("address, or the end of it: 3:2.0") String device,
            @Descriptor("on, off or status") String wish) {
        if (!WISHES.containsKey(wish) && !wish.equals(STATUS)) {
            throw new CommandException("'" + wish + "' is neither on, off nor status");
        }
        return Request.with(manager, present -> {
            PciDevice function = Request.device(present, device);
            OpenDevice open = present.opened(function.address())
                    .orElseThrow(() -> new VfioException(Errno.ENODEV, function.address() + " is not open"));
            Boolean trapped = WISHES.get(wish);
            if (trapped != null) {
                open.trap(trapped);
            }
            return new TrapReport(function.address(), settled(open));
        });
    }

    /** Called by Gogo when the arguments fit no other method. */
    @SuppressWarnings({"DoNotCallSuggester", "MemberName"})
    public Object _main(String[] words) {
        throw CommandTable.named(words[0]).misused();
    }

    private ExplanationReport rebind(String device, Optional<String> driver) {
        return Request.with(manager, present -> {
            PciDevice function = Request.device(present, device);
            return ExplanationReport.of(function, present.rebind(function.address(), driver));
        });
    }

    /** Gives the client a moment to confirm. */
    private static TrapStatus settled(OpenDevice open) {
        TrapStatus status = open.trapStatus();
        for (int look = 0; look < LOOKS && status.requested() && !status.inForce(); look++) {
            LockSupport.parkNanos(LOOK_AGAIN.toNanos());
            status = open.trapStatus();
        }
        return status;
    }
}
