// Lines over time. What they show comes as one text of JSON, the same for all who see the same:
// { start, minutes: [...], at, series: { key: [values] } }, times in ms since 1970 and minutes after.
// ECharts shows times in the browser's own zone.
import { echarts } from "nicegui-echart";

const QUIET = { color: "#7a7a7a" };
const ABOVE = 34;

export default {
  template: `<div class="pc-chart" role="img" :aria-label="words"></div>`,
  props: { told: String, words: String, names: Object, styles: Object, mark: String },
  mounted() {
    this.chart = echarts.init(this.$el, null, { renderer: "svg" });
    this.watcher = new ResizeObserver(() => this.chart.resize());
    this.watcher.observe(this.$el);
    this.draw();
  },
  unmounted() {
    this.watcher.disconnect();
    this.chart.dispose();
  },
  watch: {
    told() {
      this.draw();
    },
  },
  methods: {
    draw() {
      const told = JSON.parse(this.told);
      const number = new Intl.NumberFormat(document.documentElement.lang || undefined);
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
          legend: {
            // One line that scrolls, whatever the words' length, so that it never lies on the chart.
            type: "scroll", top: 0, left: 0, right: 0, itemWidth: 22, textStyle: QUIET,
            pageTextStyle: QUIET, data: series.map((one) => one.name),
          },
          tooltip: {
            trigger: "axis", confine: true,
            valueFormatter: (value) => (value == null ? "–" : number.format(value)),
          },
          xAxis: { type: "time", axisLabel: { ...QUIET, formatter: "{HH}:{mm}", hideOverlap: true } },
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
