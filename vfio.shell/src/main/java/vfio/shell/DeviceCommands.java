package vfio.shell;

import java.util.List;
import java.util.Optional;
import org.apache.felix.service.command.Descriptor;
import org.apache.felix.service.command.annotations.GogoCommand;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vfio.pci.api.manage.BundleFiles;
import vfio.pci.api.manage.BundleFiles.BundleFile;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.DeviceServer;
import vfio.pci.api.manage.DeviceServer.Endpoint;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** Commands that look at devices and drivers and change nothing. */
@Component(service = DeviceCommands.class, immediate = true)
@GogoCommand(
        scope = "vfio",
        function = {"devices", "mediators", "qemu", "explain"})
public final class DeviceCommands {
    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable DeviceManager manager;

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable DeviceServer server;

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable BundleFiles files;

    /** {@code vfio:devices}. */
    @Descriptor("lists the PCI functions that are present, who uses them and where a VMM reaches them")
    public Listing<DeviceRow> devices() {
        return Request.with(
                manager,
                present -> new Listing<>(
                        present.devices().stream()
                                .map(device -> DeviceRow.of(
                                        device, Use.of(present, device.address()), endpoint(device.address())))
                                .toList(),
                        Absence.NO_DEVICES));
    }

    /** {@code vfio:devices DEVICE}. */
    @Descriptor("shows everything about one PCI function")
    public DeviceDetail devices(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return Request.with(manager, present -> {
            PciDevice function = Request.device(present, device);
            return DeviceDetail.of(function, Use.of(present, function.address()), endpoint(function.address()));
        });
    }

    /** {@code vfio:mediators}. */
    @Descriptor(
            "lists the mediate drivers in the order in which they are asked, and what became of the files in deploy/"
                    + " and repository/")
    public Listing<MediatorRow> mediators() {
        return Request.with(
                manager,
                present -> new Listing<>(
                        present.mediators().stream()
                                .map(mediator -> MediatorRow.of(mediator, present))
                                .toList(),
                        Absence.NO_MEDIATORS,
                        FileRow.table(files)));
    }

    /** {@code vfio:qemu DEVICE}. */
    @Descriptor("prints the arguments that attach a device to QEMU 10.1 or later")
    public QemuArguments qemu(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return Request.with(manager, present -> {
            PciDevice function = Request.device(present, device);
            return endpoint(function.address())
                    .map(place -> QemuArguments.of(place.socket()))
                    .orElseThrow(() ->
                            new CommandException(function.address() + " has no socket: " + whyNoSocket(function)));
        });
    }

    /** {@code vfio:explain DEVICE}. */
    @Descriptor("says which mediate drivers were asked for a device, in which order, and why each declined")
    public ExplanationReport explain(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return Request.with(manager, present -> {
            PciDevice function = Request.device(present, device);
            return present.explain(function.address())
                    .map(explanation -> ExplanationReport.of(function, explanation))
                    .orElseGet(() -> ExplanationReport.neverOpened(function, present.mediators(), loadable(function)));
        });
    }

    /** Called by Gogo when the arguments fit no other method. */
    @SuppressWarnings({"DoNotCallSuggester", "MemberName"})
    public Object _main(String[] words) {
        throw CommandTable.named(words[0]).misused();
    }

    private Optional<Endpoint> endpoint(PciAddress address) {
        DeviceServer present = server;
        List<Endpoint> endpoints = present == null ? List.of() : present.endpoints();
        return endpoints.stream()
                .filter(endpoint -> endpoint.device().address().equals(address))
                .findFirst();
    }

    private List<BundleFile> loadable(PciDevice device) {
        BundleFiles present = files;
        return present == null ? List.of() : present.loadable(device);
    }

    private String whyNoSocket(PciDevice device) {
        if (server == null) {
            return "is the bundle vfio.user active? See felix:lb";
        }
        return device.unassignableReason().orElse("the log says why");
    }
}
