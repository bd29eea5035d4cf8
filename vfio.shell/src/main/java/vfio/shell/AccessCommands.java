package vfio.shell;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.apache.felix.service.command.Descriptor;
import org.apache.felix.service.command.annotations.GogoCommand;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciRegion;

/**
 * Commands that work on an open device, whoever opened it, and those that open and close one from the shell. What the shell
 * opened is closed when this component goes, or the device manager.
 */
@Component(service = AccessCommands.class, immediate = true)
@GogoCommand(
        scope = "vfio",
        function = {"open", "close", "regions", "read", "write", "irqs"})
public final class AccessCommands {
    private static final String USER = "shell";
    private static final String DEFAULT_WIDTH = "4";

    private final Map<PciAddress, OpenDevice> openedHere = new ConcurrentHashMap<>();
    private volatile @Nullable DeviceManager manager;

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY,
            unbind = "removeManager")
    void addManager(DeviceManager arrived) {
        manager = arrived;
    }

    void removeManager(DeviceManager leaving) {
        if (manager == leaving) {
            manager = null;
        }
        closeAll();
    }

    @Deactivate
    void closeAll() {
        for (PciAddress address : List.copyOf(openedHere.keySet())) {
            OpenDevice open = openedHere.remove(address);
            if (open != null) {
                open.close();
            }
        }
    }

    /** {@code vfio:open DEVICE}. */
    @Descriptor("opens a device from the shell, to read and write registers without a VMM")
    public String open(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return Request.with(manager, present -> {
            PciAddress address = Request.device(present, device).address();
            OpenDevice opened = present.open(address, USER, ClientMemory.NONE);
            OpenDevice stale = openedHere.put(address, opened);
            if (stale != null) {
                stale.close();
            }
            if (manager != present) {
                closeAll();
            }
            return address + " is open, "
                    + opened.mediator().map(name -> "mediated by " + name).orElse("passed through")
                    + "; close it with: vfio:close " + address;
        });
    }

    /** {@code vfio:close DEVICE}. */
    @Descriptor("closes a device that was opened from the shell")
    public String close(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return Request.with(manager, present -> {
            PciAddress address = Request.device(present, device).address();
            OpenDevice opened = openedHere.remove(address);
            if (opened == null) {
                throw notOpenedHere(address, Use.of(present, address));
            }
            opened.close();
            return address + " is closed";
        });
    }

    /** {@code vfio:regions DEVICE}. */
    @Descriptor("lists the regions of an open device as its client sees them")
    public Listing<RegionRow> regions(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return onOpen(
                device,
                open -> new Listing<>(
                        IntStream.range(0, open.regionCount())
                                .mapToObj(open::regionInfo)
                                .filter(region -> region.size() != 0)
                                .map(RegionRow::of)
                                .toList(),
                        open.device().address() + " has no regions."));
    }

    /** {@code vfio:irqs DEVICE}. */
    @Descriptor("lists the interrupts of an open device")
    public Listing<InterruptRow> irqs(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return onOpen(
                device,
                open -> new Listing<>(
                        IntStream.range(0, open.interruptCount())
                                .mapToObj(open::interruptInfo)
                                .filter(interrupt -> interrupt.count() != 0)
                                .map(InterruptRow::of)
                                .toList(),
                        open.device().address() + " has no interrupts."));
    }

    /** {@code vfio:read DEVICE REGION OFFSET}. */
    @Descriptor("reads 4 bytes from a region of an open device, through its mediation")
    public RegisterValue read(
            @Descriptor("address, or the end of it: 3:2.0") String device,
            @Descriptor("region: bar0 to bar5, rom, config, vga, or an index") String region,
            @Descriptor("byte offset, decimal or 0x hexadecimal") String offset) {
        return read(device, region, offset, DEFAULT_WIDTH);
    }

    /** {@code vfio:read DEVICE REGION OFFSET WIDTH}. */
    @Descriptor("reads from a region of an open device, through its mediation")
    public RegisterValue read(
            @Descriptor("address, or the end of it: 3:2.0") String device,
            @Descriptor("region: bar0 to bar5, rom, config, vga, or an index") String region,
            @Descriptor("byte offset, decimal or 0x hexadecimal") String offset,
            @Descriptor("bytes: 1, 2, 4 or 8") String width) {
        int bytes = Arguments.width(width);
        long start = Arguments.number("offset", offset);
        return onOpen(device, open -> {
            RegionAccess access = access(Arguments.region(region, open.regionCount()), start, bytes);
            open.read(access);
            return new RegisterValue(open.device().address(), access.region(), start, bytes, access.value());
        });
    }

    /** {@code vfio:write DEVICE REGION OFFSET VALUE}. */
    @Descriptor("writes 4 bytes to a region of an open device, through its mediation")
    public String write(
            @Descriptor("address, or the end of it: 3:2.0") String device,
            @Descriptor("region: bar0 to bar5, rom, config, vga, or an index") String region,
            @Descriptor("byte offset, decimal or 0x hexadecimal") String offset,
            @Descriptor("what to write, decimal or 0x hexadecimal") String value) {
        return write(device, region, offset, value, DEFAULT_WIDTH);
    }

    /** {@code vfio:write DEVICE REGION OFFSET VALUE WIDTH}. */
    @Descriptor("writes to a region of an open device, through its mediation")
    public String write(
            @Descriptor("address, or the end of it: 3:2.0") String device,
            @Descriptor("region: bar0 to bar5, rom, config, vga, or an index") String region,
            @Descriptor("byte offset, decimal or 0x hexadecimal") String offset,
            @Descriptor("what to write, decimal or 0x hexadecimal") String value,
            @Descriptor("bytes: 1, 2, 4 or 8") String width) {
        int bytes = Arguments.width(width);
        long start = Arguments.number("offset", offset);
        long data = Arguments.value(value, bytes);
        return onOpen(device, open -> {
            RegionAccess access = access(Arguments.region(region, open.regionCount()), start, bytes);
            access.setValue(data);
            open.write(access);
            return "wrote " + Arguments.hex(data, bytes) + " to " + PciRegion.name(access.region()) + "+0x"
                    + Long.toHexString(start) + " of " + open.device().address();
        });
    }

    /** Called by Gogo when the arguments fit no other method. */
    @SuppressWarnings({"DoNotCallSuggester", "MemberName"})
    public Object _main(String[] words) {
        throw CommandTable.named(words[0]).misused();
    }

    private <T> T onOpen(String device, Function<OpenDevice, T> request) {
        return Request.with(manager, present -> {
            PciAddress address = Request.device(present, device).address();
            return request.apply(present.opened(address)
                    .orElseThrow(() -> new CommandException(address
                            + " is not open: attach a VMM to its socket or open it here with: vfio:open " + address)));
        });
    }

    private static RegionAccess access(int region, long offset, int width) {
        ByteBuffer data = ByteBuffer.allocate(width).order(ByteOrder.LITTLE_ENDIAN);
        return new RegionAccess().wrap(region, offset, width, data, 0);
    }

    private static CommandException notOpenedHere(PciAddress address, Optional<Use> use) {
        return new CommandException(use.map(holder -> address + " is in use by " + holder.user()
                        + ", and the shell closes only what it opened: detach it there")
                .orElse(address + " is not open"));
    }
}
