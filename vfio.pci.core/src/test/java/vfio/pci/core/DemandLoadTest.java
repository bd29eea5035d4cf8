package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.logging.Level;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.manage.DriverLoader;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.pci.PciDevice;

/** A device that is opened while nobody who is registered accepts it. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DemandLoadTest {
    private final Setting setting = new Setting();
    private final Mediator good = Setting.mediator(8, 0, "good", context -> Decision.accept(new FakeMediation()));

    @AfterEach
    void close() {
        setting.calls.close();
    }

    @Test
    void whoWasLoadedIsAsked() {
        AtomicInteger refusals = new AtomicInteger();
        setting.registered.add(Setting.mediator(7, 0, "unwilling", context -> {
            refusals.incrementAndGet();
            return Decision.decline("no");
        }));
        loading(() -> {
            setting.registered.add(good);
            return List.of(
                    new DriverLoader.Attempt("good 1.0.0", Optional.empty()),
                    new DriverLoader.Attempt("bad 1.0.0", Optional.of("it needs what is not there")));
        });

        assertThat(setting.open().mediator()).contains("good");
        assertThat(refusals).as("asked once").hasValue(1);
        assertThat(setting.explanation().verdicts())
                .extracting(Verdict::mediator, Verdict::answer, Verdict::reason)
                .containsExactly(
                        tuple("unwilling", Answer.DECLINED, "no"),
                        tuple("bad 1.0.0", Answer.FAILED, "it needs what is not there"),
                        tuple("good", Answer.ACCEPTED, ""));
    }

    /** The loader tries nothing then, since the bundle is there already. */
    @Test
    void whoWasLoadedForAnotherDeviceMeanwhileIsAskedToo() {
        loading(() -> {
            setting.registered.add(good);
            return List.of();
        });

        assertThat(setting.open().mediator()).contains("good");
    }

    @Test
    void nothingIsLoadedIfSomebodyAccepts() {
        AtomicInteger loads = new AtomicInteger();
        setting.registered.add(good);
        loading(() -> {
            loads.incrementAndGet();
            return List.of();
        });

        assertThat(setting.open().mediator()).contains("good");
        assertThat(loads).hasValue(0);
    }

    @Test
    void aLoaderThatThrowsIsPassedOver() {
        loading(() -> {
            throw new IllegalStateException("no folder");
        });
        try (CapturedLog log = new CapturedLog()) {
            assertThat(setting.open().mediator()).isEmpty();
            assertThat(log.entries(Level.SEVERE)).singleElement().asString().contains("no driver was loaded");
        }
        assertThat(setting.explanation().verdicts())
                .extracting(Verdict::mediator, Verdict::reason)
                .containsExactly(tuple("the loader", "java.lang.IllegalStateException: no folder"));
    }

    /** The client gives up after 5 s, whoever it is that does not return: a driver, the loader, a driver that was loaded. */
    @Test
    void theWholeOpeningSharesOneLimit() {
        Setting stuck = new Setting(new FakeHardware(), Setting.SHORT_LIMIT);
        CountDownLatch never = new CountDownLatch(1);
        Mediator last = Setting.mediator(8, 0, "last", context -> {
            await(never);
            return Decision.decline("late");
        });
        stuck.registered.add(Setting.mediator(7, 0, "first", context -> {
            await(never);
            return Decision.decline("late");
        }));
        stuck.loader = loader(() -> {
            stuck.registered.add(last);
            await(never);
            return List.of();
        });
        try (CapturedLog log = new CapturedLog()) {
            assertThat(stuck.open().mediator()).isEmpty();
            assertThat(log.entries(Level.SEVERE)).hasSize(3);
        }
        never.countDown();
        stuck.calls.close();

        assertThat(stuck.explanation().verdicts())
                .extracting(Verdict::mediator)
                .containsExactly("first", "the loader", "last");
        assertThat(stuck.explanation().verdicts().stream()
                        .mapToLong(verdict -> Long.parseLong(verdict.reason().replaceAll(".* (\\d+) ms.*", "$1")))
                        .sum())
                .isLessThanOrEqualTo(Setting.SHORT_LIMIT.toMillis());
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private void loading(Supplier<List<DriverLoader.Attempt>> load) {
        setting.loader = loader(load);
    }

    private static DriverLoader loader(Supplier<List<DriverLoader.Attempt>> load) {
        return new DriverLoader() {
            @Override
            public List<Attempt> load(PciDevice device) {
                return load.get();
            }

            @Override
            public void closed(PciDevice device) {}
        };
    }
}
