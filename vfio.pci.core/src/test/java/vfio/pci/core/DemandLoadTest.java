package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
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

    private void loading(Supplier<List<DriverLoader.Attempt>> load) {
        setting.loader = new DriverLoader() {
            @Override
            public List<Attempt> load(PciDevice device) {
                return load.get();
            }

            @Override
            public void closed(PciDevice device) {}
        };
    }
}
