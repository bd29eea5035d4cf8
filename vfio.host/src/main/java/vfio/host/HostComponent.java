package vfio.host;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.osgi.annotation.bundle.Capability;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import vfio.linux.ControlFile;
import vfio.pci.api.manage.HostFunctions;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** Offers the PCI functions of this host, if it is configured to. */
@Component(configurationPid = HostComponent.PID, configurationPolicy = ConfigurationPolicy.REQUIRE, immediate = true)
@Designate(ocd = HostComponent.Configuration.class)
@Capability(namespace = "osgi.service", attribute = "objectClass:List<String>=vfio.pci.api.pci.PciDevice")
public final class HostComponent implements HostFunctions {
    static final String PID = "vfio.host";

    private static final Path PROC = Path.of("/proc");

    /** Configuration of the host's functions. */
    @ObjectClassDefinition(
            name = "PCI functions of this host",
            description = "Offers the functions of this host that are bound to vfio-pci, and tells of the others")
    public @interface Configuration {
        /** Where the kernel describes devices. */
        @AttributeDefinition(name = "sysfs", description = "Folder of the kernel's device tree")
        String sysfs() default "/sys";

        /** Where the kernel's device nodes of VFIO are. */
        @AttributeDefinition(name = "Device nodes", description = "Folder of the device nodes of VFIO")
        String devices() default "/dev/vfio";

        /** Whether registers may be mapped. */
        @AttributeDefinition(
                name = "Mapping",
                description =
                        "Whether clients may map registers; they get the device's descriptor with that, and can reach"
                                + " with it whatever a driver traps")
        boolean mmap() default true;
    }

    private final ExecutorService worker = Executors.newSingleThreadExecutor(task -> {
        Thread thread = new Thread(task, "lost devices");
        thread.setDaemon(true);
        return thread;
    });
    private final HostBus bus;
    private final UeventListener events;
    private final DriverBinding binding;

    @Activate
    public HostComponent(BundleContext context, Configuration configuration) {
        Sysfs sysfs = new Sysfs(Path.of(configuration.sysfs()));
        KernelOpener opener = new KernelOpener(
                Path.of(configuration.devices()),
                sysfs,
                ControlFile::open,
                new LockedMemory(PROC.resolve("self/limits")),
                configuration.mmap());
        bus = new HostBus(
                sysfs, opener, function -> new Service(function, register(context, function)), worker::execute);
        binding = new DriverBinding(sysfs, new HostUse(sysfs, PROC, HostUse::addresses));
        events = UeventListener.start(bus);
        bus.scan();
    }

    @Deactivate
    void deactivate() {
        events.close();
        bus.close();
        worker.shutdown();
    }

    @Override
    public void rescan() {
        bus.scan();
    }

    @Override
    public List<PciAddress> addresses() {
        return bus.addresses();
    }

    @Override
    public List<String> bind(PciAddress address, boolean force, boolean dryRun) {
        return changed(address, dryRun, binding.bind(address, force, dryRun));
    }

    @Override
    public List<String> unbind(PciAddress address, boolean force, boolean dryRun) {
        return changed(address, dryRun, binding.unbind(address, force || !bus.isOpen(address), dryRun));
    }

    @Override
    public List<PciAddress> setVirtualFunctions(PciAddress physicalFunction, int count) {
        List<PciAddress> virtual = binding.setVirtualFunctions(physicalFunction, count, bus::isOpen);
        bus.scan();
        return virtual;
    }

    /** The kernel tells of it too, but whoever has asked for it sees it at once. */
    private List<String> changed(PciAddress address, boolean dryRun, List<String> steps) {
        if (!dryRun) {
            bus.refresh(address);
        }
        return steps;
    }

    private static ServiceRegistration<PciDevice> register(BundleContext context, PciDevice function) {
        return context.registerService(
                PciDevice.class, function, FrameworkUtil.asDictionary(PciDevice.serviceProperties(function)));
    }

    /** A function as a service. */
    private record Service(PciDevice function, ServiceRegistration<PciDevice> registration)
            implements HostBus.Publication {
        @Override
        public void changed() {
            registration.setProperties(FrameworkUtil.asDictionary(PciDevice.serviceProperties(function)));
        }

        @Override
        public void withdraw() {
            registration.unregister();
        }
    }
}
