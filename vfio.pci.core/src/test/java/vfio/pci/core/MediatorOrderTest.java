package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tuple;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceEvent;
import org.osgi.framework.ServiceListener;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;

/**
 * The order in which drivers are asked is the same however their registration, changes of ranking, and departure interleave.
 * Several threads at once do that, each to drivers of its own.
 */
class MediatorOrderTest {
    private static final int THREADS = 3;
    private static final int DRIVERS = 24;

    /** Drivers with a lower number keep their ranking. */
    private static final int STEADY = 8;

    /** What a thread does to a driver: registers it, or changes its ranking if it is registered, or unregisters it. */
    record Step(int driver, int ranking, boolean leaves) {
        Step {
            ranking = driver < STEADY ? driver / 2 - 2 : ranking;
        }
    }

    @Property(tries = 300, shrinking = ShrinkingMode.OFF)
    void isTheSameWhateverTheInterleaving(@ForAll("scripts") List<List<Step>> scripts) {
        new Run().run(scripts);
    }

    @Provide
    Arbitrary<List<List<Step>>> scripts() {
        return Combinators.combine(
                        Arbitraries.integers().between(0, DRIVERS - 1),
                        Arbitraries.frequencyOf(
                                Tuple.of(9, Arbitraries.integers().between(-3, 3)),
                                Tuple.of(1, Arbitraries.of(Integer.MIN_VALUE, Integer.MAX_VALUE))),
                        Arbitraries.integers().between(0, 5).map(number -> number == 0))
                .as(Step::new)
                .list()
                .ofMinSize(50)
                .ofMaxSize(300)
                .list()
                .ofSize(THREADS);
    }

    /** A service as its owner knows it. */
    private record Service(long id, int driver, int ranking, FakeReference reference) {
        static final Comparator<Service> ORDER =
                Comparator.comparingInt(Service::ranking).reversed().thenComparingLong(Service::id);
    }

    /** A registry in a framework that tells it of services on the threads of their owners. */
    private static final class Run {
        private final List<ServiceListener> listeners = new CopyOnWriteArrayList<>();
        private final Map<Long, Integer> announced = new ConcurrentHashMap<>();
        private final Set<Object> held = ConcurrentHashMap.newKeySet();
        private final Map<Long, Service> steady = new ConcurrentHashMap<>();
        private final AtomicLong ids = new AtomicLong();
        private final MediatorRegistry registry = new MediatorRegistry(framework(), this::arrived);

        void run(List<List<Step>> scripts) {
            registry.open();
            List<Map<Integer, Service>> registered =
                    scripts.stream().map(Run::noServices).toList();
            AtomicBoolean enough = new AtomicBoolean();
            try (Threads observers = new Threads()) {
                observers.start("observer", () -> {
                    while (!enough.get()) {
                        observe();
                    }
                });
                try (Threads vendors = new Threads()) {
                    for (int vendor = 0; vendor < scripts.size(); vendor++) {
                        List<Step> script = scripts.get(vendor);
                        Map<Integer, Service> own = registered.get(vendor);
                        vendors.start("vendor " + vendor, () -> script.forEach(step -> take(step, own)));
                    }
                } finally {
                    enough.set(true);
                }
            }
            assertThat(snapshot()).isEqualTo(inOrder(registered.stream().flatMap(own -> own.values().stream())));
            assertThat(announced).hasSize(ids.intValue());
            assertThat(held).hasSize(snapshot().size());
            registry.close();
            assertThat(held).isEmpty();
        }

        /** On return, what the thread did is in the snapshot, whatever others do meanwhile. */
        private void take(Step step, Map<Integer, Service> own) {
            Service before = own.remove(step.driver());
            if (before != null && step.leaves()) {
                fire(ServiceEvent.UNREGISTERING, before);
            } else if (before != null) {
                Service changed = new Service(before.id(), step.driver(), step.ranking(), before.reference());
                own.put(step.driver(), changed);
                changed.reference().with(Constants.SERVICE_RANKING, step.ranking());
                fire(ServiceEvent.MODIFIED, changed);
            } else if (!step.leaves()) {
                long id = ids.incrementAndGet();
                FakeReference reference = FakeReference.of(id, step.ranking(), "driver");
                Service added = new Service(id, step.driver(), step.ranking(), reference);
                own.put(step.driver(), added);
                if (step.driver() < STEADY) {
                    steady.put(id, added);
                }
                fire(ServiceEvent.REGISTERED, added);
            }
            Set<Long> mine = own.values().stream().map(Service::id).collect(Collectors.toSet());
            assertThat(snapshot().stream().filter(mine::contains).toList()).isEqualTo(inOrder(own.values().stream()));
            assertThat(before == null
                            || own.containsKey(step.driver())
                            || !snapshot().contains(before.id()))
                    .as("has left")
                    .isTrue();
        }

        private void observe() {
            List<Long> seen = snapshot();
            assertThat(seen).doesNotHaveDuplicates();
            List<Service> comparable =
                    seen.stream().filter(steady::containsKey).map(steady::get).toList();
            assertThat(comparable).isSortedAccordingTo(Service.ORDER);
        }

        private void arrived(Mediator mediator) {
            assertThat(registry.snapshot()).contains(mediator);
            assertThat(announced.merge(mediator.serviceId(), 1, Integer::sum)).isEqualTo(1);
        }

        private void fire(int type, Service service) {
            listeners.forEach(listener -> listener.serviceChanged(new ServiceEvent(type, service.reference())));
        }

        private List<Long> snapshot() {
            return registry.snapshot().stream().map(Mediator::serviceId).toList();
        }

        private static List<Long> inOrder(Stream<Service> services) {
            return services.sorted(Service.ORDER).map(Service::id).toList();
        }

        private static Map<Integer, Service> noServices(List<Step> script) {
            return new HashMap<>();
        }

        private BundleContext framework() {
            MediateOps ops = context -> Decision.decline("not asked");
            return (BundleContext) Proxy.newProxyInstance(
                    BundleContext.class.getClassLoader(),
                    new Class<?>[] {BundleContext.class},
                    (proxy, method, arguments) -> switch (method.getName()) {
                        case "createFilter", "getServiceReferences" -> null;
                        case "addServiceListener" -> listeners.add((ServiceListener) arguments[0]);
                        case "removeServiceListener" -> listeners.remove(arguments[0]);
                        case "getService" -> held.add(arguments[0]) ? ops : null;
                        case "ungetService" -> held.remove(arguments[0]);
                        default -> throw new UnsupportedOperationException(method.toString());
                    });
        }
    }
}
