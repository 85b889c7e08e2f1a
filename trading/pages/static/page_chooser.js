// A select that leads to another page, or keeps a choice in a cookie and loads this one again.
// Arrow keys and letters change a closed select at every press: that is looking through what there
// is, and it goes on at Enter or where the keyboard leaves it; Escape takes it back. A choice made
// with a pointer or in the open list goes on at once. The page that comes gives it the focus again.
const KEPT = "peercharge-chooser", KEPT_MS = 30000;
// Keys after which a list is open; on a Mac arrows open it, too.
const OPENING = ["Enter", " ", "F4"];
const OPENS = /Mac|iPhone|iPad/.test(navigator.platform);

export default {
  template: `
    <label class="pc-chooser">
      <span>{{ label }}</span>
      <select ref="select" autocomplete="off" @change="changed" @keydown="pressed"
              @pointerdown="isOpen = true" @blur="left">
        <option v-for="one in options" :key="one.value" :value="one.value" :selected="one.value === value">{{ one.label }}</option>
      </select>
    </label>`,
  // options: [{ value, label, href }]; name: of the chooser; cookie: where the choice is kept, or "".
  props: { name: String, label: String, options: Array, value: String, cookie: String },
  data() {
    return { isLooking: false, isOpen: true };
  },
  mounted() {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) || "null");
    if (kept && kept.name === this.name) {
      sessionStorage.removeItem(KEPT);
      if (Date.now() - kept.at < KEPT_MS) this.$refs.select.focus();
    }
  },
  methods: {
    pressed(event) {
      if (event.key === "Enter" && this.isLooking) {
        event.preventDefault();
        this.go();
      } else if (event.key === "Escape") {
        this.$refs.select.value = this.value;
        this.isLooking = false;
      }
      this.isOpen = OPENS || event.altKey || OPENING.includes(event.key);
    },
    changed() {
      if (this.isOpen) this.go();
      else this.isLooking = true;
    },
    left() {
      this.isOpen = true;
      // Whoever looks at another window is still here.
      if (this.isLooking && document.hasFocus()) this.go();
    },
    go() {
      this.isLooking = false;
      const value = this.$refs.select.value;
      const chosen = this.options.find((one) => one.value === value);
      if (!chosen || value === this.value) return;
      sessionStorage.setItem(KEPT, JSON.stringify({ name: this.name, at: Date.now() }));
      if (this.cookie) {
        document.cookie = `${this.cookie}=${value};path=/;samesite=lax;max-age=31536000`;
        location.reload();
      } else {
        location.href = chosen.href;
      }
    },
  },
};
