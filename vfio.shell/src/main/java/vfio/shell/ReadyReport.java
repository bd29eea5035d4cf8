package vfio.shell;

import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import vfio.pci.api.manage.BundleFiles;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.DeviceServer;
import vfio.pci.api.manage.DeviceServer.Endpoint;
import vfio.pci.api.pci.PciAddress;

/**
 * What the launcher prints when the runtime is ready: the devices that accept connections, how to attach QEMU to each, and
 * the line {@code ready: N devices, M mediate drivers, K more on demand}. Null until then.
 */
@Component(service = Supplier.class, immediate = true, property = "vfio.report=ready")
public final class ReadyReport implements Supplier<@Nullable String> {
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
    volatile @Nullable ServiceComponentRuntime components;

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable BundleFiles files;

    private final AnnouncedConfigurations announced;

    /** Takes the configurations that the launcher has announced. */
    @Activate
    public ReadyReport(BundleContext context) {
        this(AnnouncedConfigurations.of(context.getProperty(AnnouncedConfigurations.PROPERTY)));
    }

    ReadyReport(AnnouncedConfigurations announced) {
        this.announced = announced;
    }

    private record EndpointRow(PciAddress address, String id, String what, String socket) implements Row {
        static EndpointRow of(Endpoint endpoint) {
            return new EndpointRow(
                    endpoint.device().address(),
                    endpoint.device().ids().id(),
                    DeviceRow.what(endpoint.device()),
                    endpoint.socket().toString());
        }

        @Override
        public List<Cell> cells() {
            return List.of(
                    Cell.text("address", address),
                    Cell.text("id", id),
                    Cell.text("what", what),
                    Cell.text("socket", socket));
        }
    }

    @Override
    public @Nullable String get() {
        DeviceManager presentManager = manager;
        DeviceServer presentServer = server;
        ServiceComponentRuntime presentComponents = components;
        if (presentManager == null
                || presentServer == null
                || presentComponents == null
                || !announced.arrived(presentComponents)
                || !presentServer.settled()) {
            return null;
        }
        List<Endpoint> endpoints = presentServer.endpoints();
        StringBuilder report = new StringBuilder(new Listing<>(
                        endpoints.stream().map(EndpointRow::of).toList(),
                        presentManager.devices().isEmpty() ? Absence.NO_DEVICES : Absence.NO_ENDPOINTS)
                .inspect());
        endpoints.forEach(endpoint ->
                report.append('\n').append(QemuArguments.of(endpoint.socket()).device()));
        int mediators = presentManager.mediators().size();
        report.append("\nready: " + endpoints.size() + " devices, " + mediators + " mediate drivers");
        long onDemand = onDemand();
        if (onDemand > 0) {
            report.append(", " + onDemand + " more on demand");
        }
        return report.toString();
    }

    /** How many bundles wait to be loaded. */
    private long onDemand() {
        BundleFiles present = files;
        return present == null
                ? 0
                : present.files().stream()
                        .filter(file -> file.state() == BundleFiles.State.AVAILABLE)
                        .count();
    }
}
