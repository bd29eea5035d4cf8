package vfio.pci.api.testing;

import java.util.List;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.TrapStatus.Mode;

/** Whether disablable areas are to be trapped, and are. Says what the mediation must be told, and tells nobody itself. */
final class TrapState {
    private Mode mode = Mode.NONE;
    private boolean mediationWants;
    private boolean administratorWants;
    private boolean inForce;

    /** What the mediation must be told. */
    enum News {
        NONE,
        TRAPPED,
        NOT_TRAPPED
    }

    /** How the areas that a mediation offers can be trapped for a client. */
    static Mode mode(List<RegionInfo> offered, ClientView client) {
        if (offered.stream().flatMap(region -> region.mappableAreas().stream()).noneMatch(SparseArea::disablable)) {
            return Mode.NONE;
        }
        if (client.maps(offered, false)) {
            return Mode.NEVER;
        }
        return client.maps(offered, true) ? Mode.DYNAMIC : Mode.ALWAYS;
    }

    /**
     * A mediation has taken the device.
     *
     * @param wish whether it wants to trap
     */
    synchronized News adopt(Mode newMode, boolean wish) {
        boolean requested = requested();
        boolean believed = inForce;
        if (newMode != mode) {
            inForce = newMode == Mode.ALWAYS;
        }
        mode = newMode;
        mediationWants = wish && isPossible();
        administratorWants &= isPossible();
        changed(requested);
        if (wish && !isPossible()) {
            return News.NOT_TRAPPED;
        }
        return wish && inForce && !believed ? News.TRAPPED : News.NONE;
    }

    /** The mediation asks, and knows from the answer whether it holds. */
    synchronized boolean mediationAsks(boolean trapped) {
        requirePossible(trapped);
        boolean requested = requested();
        mediationWants = trapped;
        changed(requested);
        return inForce;
    }

    synchronized News administratorAsks(boolean trapped) {
        requirePossible(trapped);
        boolean requested = requested();
        boolean before = inForce;
        administratorWants = trapped;
        changed(requested);
        return news(before);
    }

    synchronized News confirm() {
        requirePending();
        inForce = true;
        return News.TRAPPED;
    }

    synchronized News miss() {
        requirePending();
        mediationWants = false;
        administratorWants = false;
        return News.NOT_TRAPPED;
    }

    synchronized boolean requested() {
        return mediationWants || administratorWants;
    }

    synchronized boolean inForce() {
        return inForce;
    }

    synchronized boolean pending() {
        return hidesAreas() && !inForce;
    }

    /** Whether the client may not map disablable areas now. */
    synchronized boolean hidesAreas() {
        return mode == Mode.DYNAMIC && requested();
    }

    private void changed(boolean requestedBefore) {
        if (requested() != requestedBefore) {
            inForce = mode == Mode.ALWAYS;
        }
    }

    private News news(boolean before) {
        if (before == inForce) {
            return News.NONE;
        }
        return inForce ? News.TRAPPED : News.NOT_TRAPPED;
    }

    private boolean isPossible() {
        return mode == Mode.ALWAYS || mode == Mode.DYNAMIC;
    }

    private void requirePossible(boolean trapped) {
        if (trapped && !isPossible()) {
            throw new VfioException(
                    Errno.EOPNOTSUPP,
                    mode == Mode.NONE ? "no area is disablable" : "the client maps the disablable areas for good");
        }
    }

    private void requirePending() {
        if (!pending()) {
            throw new IllegalStateException("no request to trap waits for the client");
        }
    }
}
