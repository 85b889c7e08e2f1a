// Lines over time. What they show comes as one text of JSON, the same for all who see the same:
// { start, minutes: [...], at, series: { key: [values] } }, times in ms since 1970 and minutes after.
// ECharts shows times in the browser's own zone.
import { echarts } from "nicegui-echart";

const QUIET = { color: "#7a7a7a" };
const ABOVE = 10;

export default {
  // The legend is the page's own, so that it has as many lines as it needs.
  template: `
    <div>
      <ul class="pc-legend" aria-hidden="true">
        <li v-for="one in legend" :key="one.key">
          <svg width="28" height="12" viewBox="0 0 28 12">
            <line x1="0" y1="6" x2="28" y2="6" :stroke="one.color" :stroke-width="one.width" :stroke-dasharray="one.dashes" />
            <path v-if="one.symbol === 'triangle'" d="M14 1 L19 10 L9 10 Z" :fill="one.color" />
            <circle v-else-if="one.symbol" cx="14" cy="6" r="4" :fill="one.color" />
          </svg>
          <span>{{ one.name }}</span>
        </li>
      </ul>
      <div ref="chart" class="pc-chart" role="img" :aria-label="words"></div>
    </div>`,
  props: { told: String, words: String, names: Object, styles: Object, mark: String },
  mounted() {
    this.chart = echarts.init(this.$refs.chart, null, { renderer: "svg" });
    this.watcher = new ResizeObserver(() => this.chart.resize());
    this.watcher.observe(this.$refs.chart);
    this.draw();
  },
  unmounted() {
    this.watcher.disconnect();
    this.chart.dispose();
  },
  computed: {
    legend() {
      return Object.keys(JSON.parse(this.told).series).map((key) => {
        const { lineStyle, showSymbol, symbol } = this.styles[key];
        return {
          key, name: this.names[key], color: lineStyle.color, width: lineStyle.width,
          dashes: { dashed: "7 4", dotted: "2 3" }[lineStyle.type] || "none",
          symbol: showSymbol ? symbol || "circle" : "",
        };
      });
    },
  },
  watch: {
    told() {
      this.draw();
    },
  },
  methods: {
    draw() {
      const told = JSON.parse(this.told);
      const language = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang || undefined;
      const number = new Intl.NumberFormat(language);
      const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
      // A clock, and where a day begins which day it is.
      const clock = (time) => {
        const at = new Date(time), two = (value) => String(value).padStart(2, "0");
        const said = `${two(at.getHours())}:${two(at.getMinutes())}`;
        return said === "00:00" ? `${said}\n${day.format(at)}` : said;
      };
      const times = told.minutes.map((minute) => told.start + 60000 * minute);
      const series = Object.entries(told.series).map(([key, values]) => ({
        name: this.names[key],
        type: "line",
        showSymbol: false,
        step: "end",
        data: values.map((value, i) => [times[i], value]),
        ...this.styles[key],
      }));
      if (series.length) {
        series[0].markLine = {
          silent: true,
          symbol: "none",
          label: { show: false },
          lineStyle: { color: this.mark, type: "solid", width: 1 },
          data: [{ xAxis: told.at }],
        };
      }
      this.chart.setOption(
        {
          animation: false,
          grid: { left: 8, right: 12, top: ABOVE, bottom: 8, containLabel: true },
          tooltip: {
            trigger: "axis", confine: true,
            valueFormatter: (value) => (value == null ? "–" : number.format(value)),
          },
          xAxis: { type: "time", axisLabel: { ...QUIET, formatter: clock, hideOverlap: true, lineHeight: 15 } },
          yAxis: {
            type: "value", axisLabel: { ...QUIET, formatter: (value) => number.format(value) },
            splitLine: { lineStyle: { color: "#7a7a7a33" } },
          },
          series,
        },
        { notMerge: true },
      );
    },
  },
};
