// The lot as an SVG: bays in rows along aisles, vehicles in them, power between them as arcs.
// Rows follow from the width, so that a phone has many short rows and a desk few long ones.
const W = 58, H = 84, GAP = 8, AISLE = 56, TOP = 6;
const MOST_SCALE = 1.3;
const CAR_TOP = 8, CAR_BOTTOM = H - 18;

export default {
  template: `
    <div class="pc-bays" ref="box">
      <svg :viewBox="'0 0 ' + width + ' ' + height" role="img" :aria-label="summary"
           :style="{ width: shownWidth + 'px' }">
        <g v-for="bay in places" :key="bay.n" :transform="'translate(' + bay.x + ' ' + bay.y + ')'">
          <rect class="pc-bay" :width="${W}" :height="${H}" rx="6" />
          <text class="pc-bay-number" :x="${W / 2}" y="${H - 6}">{{ bay.n }}</text>
          <text v-if="lot.is_partial && !bay.vehicle" class="pc-letter pc-unknown"
                :x="${W / 2}" y="${H / 2}">?</text>
          <g v-if="bay.vehicle" :class="'pc-car pc-' + bay.vehicle.role">
            <title>{{ bay.vehicle.title }}</title>
            <rect class="pc-body" x="7" y="8" width="${W - 14}" height="${H - 26}" rx="9" />
            <rect class="pc-soc" x="7" :y="8 + (${H - 26}) * (1 - bay.vehicle.soc)"
                  width="${W - 14}" :height="(${H - 26}) * bay.vehicle.soc" rx="4" />
            <rect class="pc-edge" x="7" y="8" width="${W - 14}" height="${H - 26}" rx="9" />
          </g>
        </g>
        <g class="pc-flows">
          <g v-for="flow in arcs" :key="flow.key">
            <path class="pc-arc-under" :d="flow.d" />
            <path class="pc-arc" :d="flow.d"><title>{{ flow.power }}</title></path>
            <circle class="pc-arc-end" :cx="flow.x" :cy="flow.y" r="4" />
          </g>
        </g>
        <g class="pc-labels">
          <g v-for="bay in taken" :key="bay.n" :transform="'translate(' + bay.x + ' ' + bay.y + ')'">
            <text class="pc-letter" :x="${W / 2}" y="27">{{ sign[bay.vehicle.role] }}</text>
            <text class="pc-percent" :x="${W / 2}" y="52">{{ bay.vehicle.label }}</text>
          </g>
        </g>
      </svg>
    </div>`,
  // The lot is told in JSON: { bays, is_partial, vehicles, flows }.
  props: { words: Object, told: String },
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
    lot() {
      return JSON.parse(this.told);
    },
    perRow() {
      const scale = this.room < 600 ? 0.85 : 1;
      return Math.max(4, Math.floor((this.room / scale + GAP) / (W + GAP)));
    },
    shownWidth() {
      // As wide as there is room, and a small lot no larger than its letters are meant to be read.
      return Math.min(this.room, MOST_SCALE * this.width);
    },
    rows() {
      return Math.max(1, Math.ceil(this.lot.bays / this.perRow));
    },
    width() {
      return Math.min(this.perRow, Math.max(this.lot.bays, 1)) * (W + GAP) - GAP;
    },
    height() {
      // Below a last row that faces down there is room for its arcs.
      return this.y(this.rows - 1) + H + (this.rows % 2 ? AISLE : TOP);
    },
    places() {
      const vehicle = new Map(this.lot.vehicles.map((one) => [one.bay, one]));
      return Array.from({ length: this.lot.bays }, (_, i) => ({
        n: i + 1,
        ...this.at(i + 1),
        vehicle: vehicle.get(i + 1),
      }));
    },
    taken() {
      // Arcs may pass over cars; what these say stands above them.
      return this.places.filter((bay) => bay.vehicle);
    },
    arcs() {
      return this.lot.flows.map((flow, i) => {
        const a = this.gate(flow.from), b = this.gate(flow.to);
        // Out into the aisle, along it, and in again.
        const reach = 26 + Math.min(46, Math.abs(b.x - a.x) / 9);
        const bend = (one) => one.y + one.away * (a.away === b.away || a.y === b.y ? reach : 34);
        return { key: i + "-" + flow.from + "-" + flow.to, power: flow.power, x: b.x, y: b.y,
                 d: `M${a.x} ${a.y} C${a.x} ${bend(a)} ${b.x} ${bend(b)} ${b.x} ${b.y}` };
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
    gate(n) {
      // Where power goes in and out: the edge of the car that faces the aisle.
      const row = Math.floor((n - 1) / this.perRow), place = this.at(n);
      const below = row % 2 === 0;
      return { x: place.x + W / 2, y: place.y + (below ? CAR_BOTTOM : CAR_TOP), away: below ? 1 : -1 };
    },
    at(n) {
      const i = n - 1;
      return { x: (i % this.perRow) * (W + GAP), y: this.y(Math.floor(i / this.perRow)) };
    },
  },
};
