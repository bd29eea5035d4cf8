package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.logging.Level;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;

class MediatorRegistryTest {
    private final List<Mediator> arrived = new ArrayList<>();
    private final Set<Object> held = new HashSet<>();
    private @Nullable MediateOps supplied = context -> Decision.decline("no");
    private final MediatorRegistry registry = new MediatorRegistry(framework(), arrived::add);

    @Test
    void asksByRankingDescendingThenByServiceIdAscending() {
        for (FakeReference reference : List.of(
                FakeReference.of(5, 0, "e"),
                FakeReference.of(9, 10, "b"),
                FakeReference.of(2, 0, "d"),
                FakeReference.of(7, Integer.MAX_VALUE, "a"),
                FakeReference.of(1, Integer.MIN_VALUE, "f"),
                FakeReference.of(30, 10, "c"))) {
            registry.addingService(reference);
        }

        assertThat(names()).containsExactly("a", "b", "c", "d", "e", "f");
        assertThat(arrived).extracting(Mediator::name).containsExactly("e", "b", "d", "a", "f", "c");
    }

    @Test
    void aRankingThatIsNoIntegerCountsAsZero() {
        registry.addingService(FakeReference.of(1).with(MediateOps.NAME, "without"));
        registry.addingService(FakeReference.of(2).with(MediateOps.NAME, "long").with(Constants.SERVICE_RANKING, 99L));
        registry.addingService(FakeReference.of(3, 1, "one"));

        assertThat(names()).containsExactly("one", "without", "long");
    }

    @Test
    void followsAChangeOfRanking() {
        FakeReference first = FakeReference.of(1, 0, "first");
        FakeReference second = FakeReference.of(2, 0, "second");
        registry.addingService(first);
        Mediator changed = registry.addingService(second);
        List<Mediator> before = registry.snapshot();
        second.with(Constants.SERVICE_RANKING, 1);
        registry.modifiedService(second, changed);

        assertThat(names()).containsExactly("second", "first");
        assertThat(before).extracting(Mediator::name).as("a snapshot stays").containsExactly("first", "second");
    }

    @Test
    void forgetsWhoLeaves() {
        FakeReference first = FakeReference.of(1, 0, "first");
        Mediator leaving = registry.addingService(first);
        registry.addingService(FakeReference.of(2, 0, "second"));
        registry.removedService(first, leaving);

        assertThat(names()).containsExactly("second");
        assertThat(held).doesNotContain(first);
    }

    /** A component whose activation fails is registered all the same, and its service is null. */
    @Test
    void leavesOutWhoSuppliesNothing() {
        try (CapturedLog log = new CapturedLog()) {
            supplied = null;

            assertThat(registry.addingService(FakeReference.of(1, 0, "empty"))).isNull();
            assertThat(registry.snapshot()).isEmpty();
            assertThat(log.entries(Level.WARNING)).singleElement().asString().contains(FakeReference.BUNDLE);
        }
    }

    @Test
    void namesADriverAfterItsBundleUnlessItHasAName() {
        FakeReference reference = FakeReference.of(4);
        Mediator mediator = registry.addingService(reference);

        assertThat(mediator.info())
                .isEqualTo(new MediatorInfo("vendor.bundle", "anything", 0, 4, "vendor.bundle 1.2.3", 1, List.of(), 0));
        reference.with(MediateOps.NAME, "i40e").with(MediateOps.SERVES, "VFs of 0000:03:00.0");
        assertThat(mediator.info())
                .isEqualTo(
                        new MediatorInfo("i40e", "VFs of 0000:03:00.0", 0, 4, "vendor.bundle 1.2.3", 1, List.of(), 0));
    }

    /** A call that is still inside when the service goes has to be named all the same. */
    @Test
    void knowsADriverThatHasLeft() {
        FakeReference reference = FakeReference.of(4);
        Mediator mediator = registry.addingService(reference);
        reference.unregister();

        assertThat(mediator.name()).isEqualTo("vendor.bundle");
        assertThat(mediator.info().bundle()).isEqualTo("vendor.bundle 1.2.3");
    }

    private List<String> names() {
        return registry.snapshot().stream().map(Mediator::name).toList();
    }

    /** As much of a framework as the registry uses when a test calls it in place of the tracker. */
    private BundleContext framework() {
        return (BundleContext) Proxy.newProxyInstance(
                BundleContext.class.getClassLoader(),
                new Class<?>[] {BundleContext.class},
                (proxy, method, arguments) -> switch (method.getName()) {
                    case "createFilter" -> null;
                    case "getService" -> {
                        held.add(arguments[0]);
                        yield supplied;
                    }
                    case "ungetService" -> held.remove(arguments[0]);
                    default -> throw new UnsupportedOperationException(method.toString());
                });
    }
}
