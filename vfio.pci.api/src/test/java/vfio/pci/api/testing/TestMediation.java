package vfio.pci.api.testing;

import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.List;
import java.util.Optional;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;

/** A mediation that writes down what it is told. Its tests override the rest. */
class TestMediation implements Mediation {
    private final List<String> calls;
    private final SparseArea[] areas;

    /**
     * A mediation for BAR0.
     *
     * @param calls takes what it is told
     * @param areas what may be mapped; nothing given leaves that to the hardware
     */
    TestMediation(List<String> calls, SparseArea... areas) {
        this.calls = calls;
        this.areas = areas;
    }

    @Override
    public RegionInfo regionInfo(RegionInfo region) {
        return region.index() == 0 && areas.length > 0 ? region.withAreas(List.of(areas)) : region;
    }

    @Override
    public void trapChanged(boolean trapped) {
        calls.add("trapChanged " + trapped);
    }

    @Override
    public Optional<HandOverState> suspend() {
        calls.add("suspend");
        return Optional.empty();
    }

    @Override
    public void close() {
        calls.add("close");
    }

    static MediateOps accepting(Mediation mediation) {
        return context -> Decision.accept(mediation);
    }

    static void fails(Errno errno, Runnable action) {
        assertThatExceptionOfType(VfioException.class).isThrownBy(action::run).returns(errno, VfioException::errno);
    }

    /** Runs what must fail the test that does it. */
    static void failsTest(String about, Runnable action) {
        assertThatExceptionOfType(AssertionError.class).isThrownBy(action::run).withMessageContaining(about);
    }
}
