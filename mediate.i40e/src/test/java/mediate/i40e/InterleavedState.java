package mediate.i40e;

import java.util.Map;
import java.util.Set;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.testing.FakeHardwareState;

/** What the host knows of a function that goes on while somebody asks. */
final class InterleavedState implements HardwareState {
    private final FakeHardwareState state = new FakeHardwareState();
    private final Runnable meanwhile;

    /** @param meanwhile is done before each answer, unless the function is frozen */
    InterleavedState(Runnable meanwhile) {
        this.meanwhile = meanwhile;
    }

    void with(String part, byte... content) {
        state.with(part, content);
    }

    @Override
    public byte[] read(String part) {
        if (!state.isFrozen()) {
            meanwhile.run();
        }
        return state.read(part);
    }

    @Override
    public void freeze() {
        state.freeze();
    }

    @Override
    public void thaw() {
        state.thaw();
    }

    @Override
    public Set<String> parts() {
        return state.parts();
    }

    @Override
    public void check(Map<String, byte[]> parts) {
        state.check(parts);
    }

    @Override
    public void write(Map<String, byte[]> parts) {
        state.write(parts);
    }
}
