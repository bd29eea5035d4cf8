package vfio.sim;

import java.util.Map;
import java.util.Set;
import vfio.pci.api.device.HardwareState;

/**
 * The state of a function in the hands of its user, who has no business with it after close: somebody else may have it open.
 *
 * @param whileOpen throws what every call fails with after close
 */
record OpenState(HardwareState state, Runnable whileOpen) implements HardwareState {
    @Override
    public void freeze() {
        whileOpen.run();
        state.freeze();
    }

    @Override
    public void thaw() {
        whileOpen.run();
        state.thaw();
    }

    @Override
    public Set<String> parts() {
        return state.parts();
    }

    @Override
    public byte[] read(String part) {
        whileOpen.run();
        return state.read(part);
    }

    @Override
    public void check(Map<String, byte[]> parts) {
        whileOpen.run();
        state.check(parts);
    }

    @Override
    public void write(Map<String, byte[]> parts) {
        whileOpen.run();
        state.write(parts);
    }
}
