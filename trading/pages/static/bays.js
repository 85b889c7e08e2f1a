// The lot as an SVG: bays in rows along aisles, vehicles in them, power between them as arcs.
// Rows follow from the width, so that a phone has many short rows and a desk few long ones.
const W = 58, H = 84, GAP = 8, AISLE = 30, TOP = 6;

export default {
  template: `
    <div class="pc-bays" ref="box">
      <svg :viewBox="'0 0 ' + width + ' ' + height" role="img" :aria-label="summary">
        <g v-for="bay in places" :key="bay.n" :transform="'translate(' + bay.x + ' ' + bay.y + ')'">
          <rect class="pc-bay" :width="${W}" :height="${H}" rx="6" />
          <text class="pc-bay-number" :x="${W / 2}" y="${H - 6}">{{ bay.n }}</text>
          <g v-if="bay.vehicle" :class="'pc-car pc-' + bay.vehicle.role">
            <title>{{ bay.vehicle.title }}</title>
            <rect class="pc-body" x="7" y="8" width="${W - 14}" height="${H - 26}" rx="9" />
            <rect class="pc-soc" x="7" :y="8 + (${H - 26}) * (1 - bay.vehicle.soc)"
                  width="${W - 14}" :height="(${H - 26}) * bay.vehicle.soc" rx="4" />
            <rect class="pc-edge" x="7" y="8" width="${W - 14}" height="${H - 26}" rx="9" />
            <text class="pc-letter" :x="${W / 2}" y="27">{{ sign[bay.vehicle.role] }}</text>
            <text class="pc-percent" :x="${W / 2}" y="52">{{ bay.vehicle.label }}</text>
          </g>
        </g>
        <g class="pc-flows">
          <g v-for="flow in arcs" :key="flow.key">
            <path class="pc-arc-under" :d="flow.d" />
            <path class="pc-arc" :d="flow.d"><title>{{ flow.power }}</title></path>
            <circle class="pc-arc-end" :cx="flow.x" :cy="flow.y" r="4" />
          </g>
        </g>
      </svg>
    </div>`,
  props: { words: Object, lot: Object },
  data() {
    return { room: 1100, sign: { buyer: "▼", seller: "▲", neutral: "●" } };
  },
  mounted() {
    this.watcher = new ResizeObserver((seen) => (this.room = seen[0].contentRect.width));
    this.watcher.observe(this.$refs.box);
  },
  unmounted() {
    this.watcher.disconnect();
  },
  computed: {
    perRow() {
      const scale = this.room < 600 ? 0.72 : 1;
      return Math.max(4, Math.floor((this.room / scale + GAP) / (W + GAP)));
    },
    rows() {
      return Math.max(1, Math.ceil(this.lot.bays / this.perRow));
    },
    width() {
      return Math.min(this.perRow, Math.max(this.lot.bays, 1)) * (W + GAP) - GAP;
    },
    height() {
      return this.y(this.rows - 1) + H + TOP;
    },
    places() {
      const vehicle = new Map(this.lot.vehicles.map((one) => [one.bay, one]));
      return Array.from({ length: this.lot.bays }, (_, i) => ({
        n: i + 1,
        ...this.at(i + 1),
        vehicle: vehicle.get(i + 1),
      }));
    },
    arcs() {
      return this.lot.flows.map((flow, i) => {
        const a = this.at(flow.from), b = this.at(flow.to);
        const [x1, y1, x2, y2] = [a.x + W / 2, a.y + H / 2, b.x + W / 2, b.y + H / 2];
        const bend = 18 + Math.min(60, Math.abs(x2 - x1) / 6 + Math.abs(y2 - y1) / 10);
        const [mx, my] = [(x1 + x2) / 2 + (y2 > y1 ? bend : y2 < y1 ? -bend : 0), (y1 + y2) / 2 - bend];
        return { key: i + "-" + flow.from + "-" + flow.to, power: flow.power, x: x2, y: y2,
                 d: `M${x1} ${y1} Q${mx} ${my} ${x2} ${y2}` };
      });
    },
    summary() {
      const count = { buyer: 0, seller: 0, neutral: 0 };
      for (const one of this.lot.vehicles) count[one.role] += 1;
      return Object.keys(count).map((role) => `${this.words[role]}: ${count[role]}`).join(", ");
    },
  },
  methods: {
    y(row) {
      // Two rows face one another across an aisle.
      return TOP + row * (H + GAP) + Math.floor((row + 1) / 2) * AISLE;
    },
    at(n) {
      const i = n - 1;
      return { x: (i % this.perRow) * (W + GAP), y: this.y(Math.floor(i / this.perRow)) };
    },
  },
};
