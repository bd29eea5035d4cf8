package vfio.pci.api.manage;

import java.time.Duration;

/**
 * How the disablable areas of an open device stand.
 *
 * @param mode how they can be trapped
 * @param reason why the mode is what it is, as a sentence
 * @param requested whether somebody asks that they be trapped
 * @param inForce whether every access to them is trapped for certain
 * @param switches how often the client has confirmed a change
 * @param missed how often it did not confirm in time
 * @param lastSwitch from the signal to the confirmation, of the last change that was confirmed; zero if there was none
 */
public record TrapStatus(
        Mode mode, String reason, boolean requested, boolean inForce, long switches, long missed, Duration lastSwitch) {
    /** How disablable areas can be trapped. */
    public enum Mode {
        /** There are no such areas. */
        NONE,
        /** They are trapped from the start and stay so. */
        ALWAYS,
        /** They may be mapped, and the client stops that when it is told to. */
        DYNAMIC,
        /** They are mapped, or may be, and stay so: requests to trap them are refused. */
        NEVER
    }
}
