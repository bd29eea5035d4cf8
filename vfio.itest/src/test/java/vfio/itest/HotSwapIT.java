package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceRegistration;
import org.osgi.framework.wiring.BundleRevisions;
import org.osgi.framework.wiring.BundleWiring;
import vfio.itest.guest.ProcessFigures;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** Vendor bundles are updated and swapped while clients use two devices as fast as they can. */
public class HotSwapIT extends InFramework {
    private static final PciAddress PF = PciAddress.parse("0000:0b:00.0");
    private static final int UPDATES = 100;
    private static final int SWAPS = 100;
    private static final int LEAK_ROUNDS = 200;

    private final List<SequenceFunction> functions = IntStream.range(0, 2)
            .mapToObj(number -> new SequenceFunction(PF, number))
            .toList();
    private final List<ServiceRegistration<PciDevice>> published = new ArrayList<>();
    private final List<SequenceClient> clients = new ArrayList<>();

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors(), server());
    }

    @Before
    public void connect() {
        publish(new SilentPhysicalFunction(PF));
        eventually().untilAsserted(() -> assertThat(mediatorNames()).contains("i40e"));
        for (SequenceFunction function : functions) {
            publish(function);
            Path socket = Path.of(context.getProperty(SOCKET_DIRECTORY), function.address() + ".sock");
            eventually().until(() -> Files.exists(socket));
            clients.add(new SequenceClient(socket));
        }
        awaitMediator("i40e");
    }

    @After
    public void withdraw() throws BundleException {
        bundleNamed("mediate.i40e").start();
        clients.forEach(SequenceClient::close);
        published.forEach(ServiceRegistration::unregister);
    }

    @Test
    public void nothingIsLostDoubledOrRefused() throws BundleException {
        Bundle i40e = bundleNamed("mediate.i40e");
        awaitProgress(1_000);
        List<Long> blackouts = new ArrayList<>();
        measured(blackouts, UPDATES, round -> {
            update(i40e);
            awaitMediator("i40e");
        });
        report("update of mediate.i40e", blackouts);
        blackouts.clear();
        measured(blackouts, SWAPS / 2, round -> {
            ServiceRegistration<MediateOps> other = register(HotSwapIT::accept, Map.of(MediateOps.NAME, "other"));
            stop(i40e);
            awaitMediator("other");
            start(i40e);
            other.unregister();
            awaitMediator("i40e");
        });
        report("two swaps between implementations", blackouts);
        awaitProgress(1_000);
        long handOvers = functions.stream()
                .mapToLong(function -> manager()
                        .opened(function.address())
                        .orElseThrow()
                        .handOvers()
                        .count())
                .sum();
        assertThat(handOvers).isEqualTo((long) functions.size() * (UPDATES + SWAPS));
        long exchanged = clients.stream().mapToLong(SequenceClient::exchanged).sum();
        assertThat(clients).allMatch(SequenceClient::isRunning);
        clients.forEach(SequenceClient::close);

        for (SequenceFunction function : functions) {
            assertThat(function.lost()).as("lost").isZero();
            assertThat(function.doubled()).as("doubled").isZero();
        }
        System.out.printf(
                "hot swap: %d numbers written and read back on %d devices, 0 lost, 0 doubled, 0 errors, %d hand-overs%n",
                exchanged, functions.size(), handOvers);
    }

    @Test
    public void nothingStaysBehind() throws BundleException {
        Bundle i40e = bundleNamed("mediate.i40e");
        long pid = ProcessHandle.current().pid();
        List<WeakReference<ClassLoader>> loaders = new ArrayList<>();
        rounds(20, i40e, loaders);
        ProcessFigures before = ProcessFigures.of(pid);
        rounds(LEAK_ROUNDS, i40e, loaders);

        eventually().untilAsserted(() -> {
            System.gc();
            assertThat(reachable(loaders))
                    .as("class loaders of former revisions that are still reachable")
                    .isLessThanOrEqualTo(1);
        });
        assertThat(i40e.adapt(BundleRevisions.class).getRevisions()).hasSize(1);
        eventually().untilAsserted(() -> assertThat(ProcessFigures.of(pid).descriptors())
                .isLessThanOrEqualTo(before.descriptors()));
        eventually().untilAsserted(() -> assertThat(ProcessFigures.of(pid).threads())
                .isLessThanOrEqualTo(before.threads()));
        ProcessFigures after = ProcessFigures.of(pid);
        assertThat(after.mappedFiles()).as("mapped files").isLessThanOrEqualTo(before.mappedFiles());
        System.out.printf(
                "%d updates: revisions 1, class loaders still reachable %d of %d, before %s, after %s%n",
                LEAK_ROUNDS, reachable(loaders), loaders.size(), before, after);
    }

    private void rounds(int count, Bundle i40e, List<WeakReference<ClassLoader>> loaders) {
        for (int round = 0; round < count; round++) {
            update(i40e);
            awaitMediator("i40e");
            loaders.add(new WeakReference<>(i40e.adapt(BundleWiring.class).getClassLoader()));
        }
    }

    private static long reachable(List<WeakReference<ClassLoader>> loaders) {
        return loaders.stream().filter(loader -> loader.get() != null).count();
    }

    private static void update(Bundle bundle) {
        try {
            bundle.update();
        } catch (BundleException e) {
            throw new AssertionError(e);
        }
    }

    private static void stop(Bundle bundle) {
        try {
            bundle.stop();
        } catch (BundleException e) {
            throw new AssertionError(e);
        }
    }

    private static void start(Bundle bundle) {
        try {
            bundle.start();
        } catch (BundleException e) {
            throw new AssertionError(e);
        }
    }

    /** Another implementation, which keeps what it is given for whoever comes after it. */
    private static Decision accept(MediationContext context) {
        Optional<HandOverState> state = context.handedOver();
        return context.device() instanceof SequenceFunction
                ? Decision.accept(new Mediation() {
                    @Override
                    public Optional<HandOverState> suspend() {
                        return state;
                    }
                })
                : Decision.decline("not of this test");
    }

    /** Runs rounds and takes the longest wait of each client in each of them. */
    private void measured(List<Long> blackouts, int count, IntConsumer action) {
        for (int round = 0; round < count; round++) {
            clients.forEach(SequenceClient::takeLongest);
            action.accept(round);
            awaitProgress(10);
            clients.forEach(client -> blackouts.add(client.takeLongest()));
        }
    }

    private static void report(String what, List<Long> blackouts) {
        long[] sorted = blackouts.stream().mapToLong(Long::longValue).sorted().toArray();
        System.out.printf(
                "blackout of a client, %s, %d samples: p50 %.1f ms, p99 %.1f ms, max %.1f ms%n",
                what,
                sorted.length,
                sorted[sorted.length / 2] / 1e6,
                sorted[sorted.length * 99 / 100] / 1e6,
                sorted[sorted.length - 1] / 1e6);
    }

    /** Until every client has got this many answers more. */
    private void awaitProgress(int numbers) {
        for (SequenceClient client : clients) {
            long seen = client.exchanged();
            eventually().until(() -> client.exchanged() >= seen + numbers || !client.isRunning());
            assertThat(client.isRunning()).as("the client goes on").isTrue();
        }
    }

    private void awaitMediator(String name) {
        for (SequenceFunction function : functions) {
            eventually().until(() -> manager()
                    .opened(function.address())
                    .flatMap(OpenDevice::mediator)
                    .equals(Optional.of(name)));
        }
    }

    private void publish(PciDevice device) {
        published.add(
                0,
                context.registerService(
                        PciDevice.class, device, FrameworkUtil.asDictionary(PciDevice.serviceProperties(device))));
    }
}
