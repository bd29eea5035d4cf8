package vfio.pci.repository;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import vfio.pci.api.manage.DriverLoader;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/**
 * Loads vendor bundles from the repository folder and from repository services.
 *
 * <p>Vendor code runs, and repository services are asked, on threads of their own: whoever opens a device waits for them, but
 * not longer than is configured.
 */
@Component(service = DriverLoader.class, configurationPid = "vfio.pci.repository")
@Designate(ocd = DriverLoaderComponent.Configuration.class)
public final class DriverLoaderComponent implements DriverLoader {
    private static final Logger LOG = System.getLogger(DriverLoaderComponent.class.getPackageName());
    /** For who waits to hear the reason from who loads, whose time ends a little earlier. */
    private static final Duration SLACK = Duration.ofMillis(250);

    /** Configuration of {@code vfio.pci.repository}. */
    @ObjectClassDefinition(
            name = "VFIO bundle repository",
            description = "Vendor bundles that are loaded when a device needs them")
    public @interface Configuration {
        /** Bound of the time that loading holds up the opening of a device, in milliseconds. */
        @AttributeDefinition(
                name = "Longest time to load",
                description = "Milliseconds that the opening of a device waits for drivers to be loaded")
        int load_timeout() default 2000;

        /** Seconds after the last close until a driver is unloaded. */
        @AttributeDefinition(
                name = "Unload after",
                description =
                        "Seconds after the last close of a device until an unused driver is unloaded, -1 for never")
        int unload_after() default -1;
    }

    private final BundleFolders folders;
    private final RepositoryServices services;
    private final Loading loading;
    private final Unloading unloading;
    private volatile LoadLimits limits;
    private final Workers workers = new Workers("vfio-load");

    /** What is being loaded, by symbolic name, so that who comes second waits for the first. */
    private final Map<String, Future<Optional<Attempt>>> underWay = new ConcurrentHashMap<>();

    /** Nothing is loaded until a device needs it. */
    @Activate
    public DriverLoaderComponent(@Reference BundleFolders folders, BundleContext context, Configuration configuration) {
        this(folders, context, limits(configuration));
    }

    DriverLoaderComponent(BundleFolders folders, BundleContext context, LoadLimits limits) {
        this.folders = folders;
        this.limits = limits;
        services = new RepositoryServices(context);
        BundleLife life = new BundleLife(context);
        Drivers drivers = new Drivers(context);
        loading = new Loading(folders, life, drivers, () -> this.limits);
        unloading = new Unloading(
                folders, life, drivers, bundle -> underWay.containsKey(bundle.getSymbolicName()), () -> this.limits);
    }

    /** Takes another configuration without being away meanwhile: somebody may open a device. */
    @Modified
    public void configure(Configuration configuration) {
        limits = limits(configuration);
    }

    private static LoadLimits limits(Configuration configuration) {
        return new LoadLimits(
                Duration.ofMillis(configuration.load_timeout()), Duration.ofSeconds(configuration.unload_after()));
    }

    /** What has been loaded stays. */
    @Deactivate
    public void deactivate() {
        unloading.close();
        workers.close();
        services.close();
    }

    @Override
    public List<Attempt> load(PciDevice device) {
        Duration limit = limits.load();
        long deadline = System.nanoTime() + limit.plus(SLACK).toNanos();
        Map<String, Future<Optional<Attempt>>> loads = new LinkedHashMap<>();
        try {
            for (Candidate candidate : candidates(device.ids(), deadline)) {
                loads.put(candidate.label(), begin(candidate, device));
            }
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "stopping: nothing more is loaded for {0}", device.address());
        }
        List<Attempt> attempts = new ArrayList<>();
        loads.forEach((label, load) -> Workers.await(load, deadline)
                .orElseGet(() -> Optional.of(
                        new Attempt(label, Optional.of("it did not start within " + limit.toMillis() + " ms"))))
                .ifPresent(attempts::add));
        return attempts;
    }

    @Override
    public void closed(PciDevice device) {
        unloading.closed();
    }

    private List<Candidate> candidates(PciIds ids, long deadline) {
        List<Candidate> candidates = new ArrayList<>(folders.matching(ids));
        if (!services.isEmpty()) {
            candidates.addAll(Workers.await(workers.begin(() -> services.find(ids)), deadline)
                    .orElse(List.of()));
        }
        return Candidate.best(candidates);
    }

    private Future<Optional<Attempt>> begin(Candidate candidate, PciDevice device) {
        String name = candidate.symbolicName();
        CompletableFuture<Optional<Attempt>> ours = new CompletableFuture<>();
        Future<Optional<Attempt>> others = underWay.putIfAbsent(name, ours);
        if (others != null) {
            return others;
        }
        try {
            workers.begin(() -> {
                try {
                    Optional<Attempt> attempt = loading.load(candidate, device);
                    underWay.remove(name, ours);
                    ours.complete(attempt);
                } finally {
                    underWay.remove(name, ours);
                    ours.cancel(false);
                }
            });
        } catch (RejectedExecutionException e) {
            underWay.remove(name, ours);
            throw e;
        }
        return ours;
    }
}
