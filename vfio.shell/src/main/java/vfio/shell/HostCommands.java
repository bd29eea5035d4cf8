package vfio.shell;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.felix.service.command.Descriptor;
import org.apache.felix.service.command.Parameter;
import org.apache.felix.service.command.annotations.GogoCommand;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vfio.pci.api.manage.HostFunctions;
import vfio.pci.api.pci.PciAddress;

/** Commands that give functions of this host to vfio-pci and back to their drivers. */
@Component(service = HostCommands.class, immediate = true)
@GogoCommand(
        scope = "vfio",
        function = {"bind", "unbind", "vfs", "rescan"})
public final class HostCommands {
    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable HostFunctions host;

    /** {@code vfio:bind [--dry-run] [--force] DEVICE}. */
    @Descriptor(
            "takes a function of this host from its driver and gives it to vfio-pci, so that a VMM can have it; what"
                    + " keeps its IOMMU group from being used is said")
    public String bind(
            @Descriptor("only says what would be done")
                    @Parameter(
                            names = {"--dry-run"},
                            presentValue = "true",
                            absentValue = "false")
                    boolean dryRun,
            @Descriptor("also if the host uses it: a disk that is mounted, an interface that is up with an address")
                    @Parameter(
                            names = {"--force"},
                            presentValue = "true",
                            absentValue = "false")
                    boolean force,
            @Descriptor("address, or the end of it: 3:2.0") String device) {
        return on(device, (present, address) -> lines(present.bind(address, force, dryRun)));
    }

    /** {@code vfio:unbind [--dry-run] [--force] DEVICE}. */
    @Descriptor("takes a function of this host from vfio-pci and gives it to the driver it had before")
    public String unbind(
            @Descriptor("only says what would be done")
                    @Parameter(
                            names = {"--dry-run"},
                            presentValue = "true",
                            absentValue = "false")
                    boolean dryRun,
            @Descriptor("also if somebody has it open, who then loses it")
                    @Parameter(
                            names = {"--force"},
                            presentValue = "true",
                            absentValue = "false")
                    boolean force,
            @Descriptor("address, or the end of it: 3:2.0") String device) {
        return on(device, (present, address) -> lines(present.unbind(address, force, dryRun)));
    }

    /** {@code vfio:vfs DEVICE NUMBER}. */
    @Descriptor("changes how many virtual functions a physical function of this host has; those it has are made anew")
    public String vfs(
            @Descriptor("address of the physical function, or the end of it: 3:0.0") String device,
            @Descriptor("number of virtual functions") String number) {
        int count = Arguments.count("virtual functions", number);
        return on(device, (present, address) -> {
            List<PciAddress> virtual = present.setVirtualFunctions(address, count);
            return virtual.isEmpty()
                    ? address + " has no virtual functions"
                    : address + " has virtual functions: "
                            + virtual.stream().map(PciAddress::toString).collect(Collectors.joining(" "));
        });
    }

    /** {@code vfio:rescan}. */
    @Descriptor("looks at all functions of this host again")
    public String rescan() {
        return onHost(present -> {
            present.rescan();
            return "this host has " + present.addresses().size() + " PCI functions; vfio:devices lists them";
        });
    }

    /** Called by Gogo when the arguments fit no other method. */
    @SuppressWarnings({"DoNotCallSuggester", "MemberName"})
    public Object _main(String[] words) {
        throw CommandTable.named("vfio:" + words[0]).misused();
    }

    private <T> T onHost(Function<HostFunctions, T> request) {
        HostFunctions present = host;
        if (present == null) {
            throw new CommandException(
                    "this host's devices are not offered: add \"vfio.host\": {} to a file in the etc folder");
        }
        return Request.with(present, "access to this host's devices", "vfio.host", request);
    }

    private <T> T on(String device, BiFunction<HostFunctions, PciAddress, T> request) {
        return onHost(present -> request.apply(
                present,
                DeviceName.resolve(
                        device, present.addresses(), "is no function of this host; vfio:rescan looks again")));
    }

    private static String lines(List<String> sentences) {
        return String.join("\n", sentences);
    }
}
